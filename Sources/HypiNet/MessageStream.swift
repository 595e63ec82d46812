import DequeModule
public import HypiWire
import NIOConcurrencyHelpers
public import NIOCore

/// One client connection as async code wants it: await what comes, send what goes.
///
/// For tools that ask a question or hold a conversation. What has arrived and was not read yet is bounded: beyond
/// ``Limits/streamBytes`` the connection stops reading and the server feels it.
public final class MessageStream: Sendable {
    /// The messages, in order; ends after a normal close, throws ``ConnectionLost`` after any other.
    public struct Messages: AsyncSequence, Sendable {
        fileprivate let producer: MessageProducer

        /// Walks over the messages; only one iterator may exist.
        public func makeAsyncIterator() -> Iterator {
            Iterator(base: producer.makeAsyncIterator())
        }

        /// Walks over the messages.
        public struct Iterator: AsyncIteratorProtocol {
            fileprivate var base: MessageProducer.AsyncIterator

            /// The next message's payload.
            ///
            /// - Throws: ``ConnectionLost`` if the connection ended otherwise than by a normal close.
            public mutating func next() async throws -> ByteBuffer? {
                try await base.next()
            }
        }
    }

    /// The connection ended without a normal close.
    public struct ConnectionLost: Error, Sendable, Equatable {
        /// What the peer said, or what it looked like.
        public var closure: Closure

        /// A loss.
        public init(closure: Closure) {
            self.closure = closure
        }
    }

    /// What arrives.
    public let messages: Messages
    private let socket: NIOLoopBound<SocketBox>

    private init(messages: Messages, socket: NIOLoopBound<SocketBox>) {
        self.messages = messages
        self.socket = socket
    }

    /// Connects.
    ///
    /// - Parameters:
    ///   - url: Where to.
    ///   - options: How.
    ///   - byteLimit: Bytes that may have arrived and not been read; beyond it reading stops until half of it is left.
    ///   - group: Where the connection's loop comes from.
    /// - Returns: The open connection.
    /// - Throws: ``ConnectError``, or `CancellationError` at once when the task is cancelled, whatever the resolver or
    ///   the peer are at.
    public static func connect(
        to url: WebSocketURL, options: WebSocketClient.Options = .init(), byteLimit: Int = Limits.streamBytes,
        on group: any EventLoopGroup
    ) async throws -> MessageStream {
        let eventLoop = group.next()
        let delegate = ReadingDelegate(eventLoop: eventLoop)
        let watermarks = ByteWatermarks(limit: byteLimit)
        let sequence = MessageProducer.makeSequence(
            elementType: ByteBuffer.self, failureType: (any Error).self,
            backPressureStrategy: watermarks, finishOnDeinit: false, delegate: delegate)
        let source = sequence.source
        let box = try await eventLoop.submit { NIOLoopBound(SocketBox(), eventLoop: eventLoop) }.get()
        delegate.box.withLockedValue { $0 = box }
        let opened = WebSocketClient.connect(to: url, options: options, on: eventLoop) {
            StreamEndpoint(source: source, watermarks: watermarks, box: box.value)
        }
        do {
            try await opened.unlessCancelled()
        } catch {
            // A source must not be let go unfinished.
            source.finish()
            // An attempt that nobody waits for any more may still succeed.
            opened.whenSuccess { box.value.socket?.drop() }
            throw error
        }
        return MessageStream(messages: Messages(producer: sequence.sequence), socket: box)
    }

    /// Sends a text message; nothing happens once the connection is closing, of which ``messages`` tells.
    public func send(_ text: ByteBuffer) {
        socket.eventLoop.execute { self.socket.value.socket?.send(text: text) }
    }

    /// Sends a JSON value as a text message.
    public func send(_ json: JSON) {
        send(json.buffer)
    }

    /// Starts the close handshake; ``messages`` ends when it is through.
    public func close(_ code: CloseCode = .normal, reason: String = "") {
        socket.eventLoop.execute { self.socket.value.socket?.close(code, reason: reason) }
    }

    /// Closes and waits until what was sent has been taken and the connection is over.
    public func closeAndWait(_ code: CloseCode = .normal, reason: String = "") async {
        let ended = socket.eventLoop.makePromise(of: Void.self)
        socket.eventLoop.execute {
            let box = self.socket.value
            guard let open = box.socket else { return ended.succeed() }
            box.ended.append(ended)
            open.close(code, reason: reason)
        }
        // The promise is only ever succeeded.
        try? await ended.futureResult.get()
    }
}

/// The queue between the loop and the reading task.
typealias MessageProducer = NIOThrowingAsyncSequenceProducer<
    ByteBuffer, any Error, ByteWatermarks, ReadingDelegate
>

/// Stops reading at a number of bytes, and goes on at half of it; NIO's own watermarks count elements of any length.
struct ByteWatermarks: NIOAsyncSequenceProducerBackPressureStrategy {
    /// The lengths of the messages that wait, oldest first, and their sum.
    private struct Waiting {
        var lengths: Deque<Int> = []
        var byteCount = 0

        /// The producer only says how many are left; what left went from the front.
        mutating func forgetAll(but depth: Int) {
            while lengths.count > depth, let length = lengths.popFirst() { byteCount -= length }
        }
    }

    private let limit: Int
    private var wantsMore = true
    private let waiting = NIOLockedValueBox(Waiting())

    init(limit: Int) {
        self.limit = limit
    }

    /// Announces the length of the message that is yielded next; every message costs something, even an empty one.
    func announce(_ byteCount: Int) {
        waiting.withLockedValue { waiting in
            waiting.lengths.append(byteCount + 64)
            waiting.byteCount += byteCount + 64
        }
    }

    mutating func didYield(bufferDepth: Int) -> Bool {
        if byteCount(bufferDepth) >= limit { wantsMore = false }
        return wantsMore
    }

    mutating func didConsume(bufferDepth: Int) -> Bool {
        if byteCount(bufferDepth) <= limit / 2 { wantsMore = true }
        return wantsMore
    }

    private func byteCount(_ depth: Int) -> Int {
        waiting.withLockedValue { waiting in
            waiting.forgetAll(but: depth)
            return waiting.byteCount
        }
    }
}

/// Where the loop keeps the socket of a stream.
final class SocketBox {
    var socket: WebSocket?
    var ended: [EventLoopPromise<Void>] = []
}

private final class StreamEndpoint: WebSocketEndpoint {
    private let source: MessageProducer.Source
    private let watermarks: ByteWatermarks
    private let box: SocketBox

    init(source: MessageProducer.Source, watermarks: ByteWatermarks, box: SocketBox) {
        self.source = source
        self.watermarks = watermarks
        self.box = box
    }

    func opened(_ socket: WebSocket) {
        box.socket = socket
    }

    func received(_ message: Message) {
        watermarks.announce(message.payload.readableBytes)
        if case .stopProducing = source.yield(message.payload) { box.socket?.pauseReading() }
    }

    func closed(_ closure: Closure) {
        box.socket = nil
        for promise in box.ended { promise.succeed() }
        box.ended = []
        if closure.code == .normal || closure.code == .noStatus {
            source.finish()
        } else {
            source.finish(MessageStream.ConnectionLost(closure: closure))
        }
    }
}

/// Tells the socket when the consumer has caught up or gone.
final class ReadingDelegate: NIOAsyncSequenceProducerDelegate, Sendable {
    let box = NIOLockedValueBox<NIOLoopBound<SocketBox>?>(nil)
    private let eventLoop: any EventLoop

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func produceMore() {
        onLoop { $0.resumeReading() }
    }

    func didTerminate() {
        onLoop { $0.close(.normal) }
    }

    private func onLoop(_ body: @escaping @Sendable (WebSocket) -> Void) {
        eventLoop.execute {
            if let socket = self.box.withLockedValue({ $0 })?.value.socket { body(socket) }
        }
    }
}
