public import NIOCore
public import NIOEmbedded

/// Two channels in memory, each behind a ``MemorySocket``, and the carrier between them.
public final class MemoryLink {
    /// One end.
    public struct End {
        /// The channel.
        public let channel: EmbeddedChannel
        /// What it takes for its socket.
        public let socket: MemorySocket
        /// Its last handler.
        public let reader: MemoryReader
    }

    /// The loop of both ends.
    public let loop: EmbeddedEventLoop
    /// The end that was called.
    public let server: End
    /// The end that calls.
    public let client: End
    /// Whether an end whose peer's half is over keeps its own.
    public let keepsHalf: Bool
    private var hasCarriedEnd = (toServer: false, toClient: false)

    /// Connects two ends, each with the handlers that are given for it.
    public init(
        server: [any ChannelHandler], client: [any ChannelHandler], keepsHalf: Bool = false, autoRead: Bool = true
    ) throws {
        let loop = EmbeddedEventLoop()
        self.loop = loop
        self.keepsHalf = keepsHalf
        self.server = try Self.end(server, loop, keepsHalf, autoRead)
        self.client = try Self.end(client, loop, keepsHalf, autoRead)
        for end in [self.server, self.client] {
            try end.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }
    }

    private static func end(
        _ handlers: [any ChannelHandler], _ loop: EmbeddedEventLoop, _ keepsHalf: Bool, _ autoRead: Bool
    ) throws -> End {
        let end = End(channel: EmbeddedChannel(loop: loop), socket: MemorySocket(), reader: MemoryReader())
        end.channel.allowRemoteHalfClosure = keepsHalf
        try end.channel.syncOptions?.setOption(.autoRead, value: autoRead)
        let pipeline = end.channel.pipeline.syncOperations
        try pipeline.addHandler(end.socket)
        try pipeline.addHandlers(handlers)
        try pipeline.addHandler(end.reader)
        return end
    }

    /// Carries what both have sent until neither has sent anything more, and then the ends of halves.
    ///
    /// - Parameter piece: The most that is carried at once, in bytes.
    /// - Throws: An error that a pipeline let through.
    public func carry(piece: Int = .max) throws {
        var isMoving = true
        while isMoving {
            let moved = try [carry(client, to: server, piece), carry(server, to: client, piece)]
            isMoving = moved.contains(true)
            if !isMoving {
                isMoving = carryEnd(client, to: server, &hasCarriedEnd.toServer)
                isMoving = carryEnd(server, to: client, &hasCarriedEnd.toClient) || isMoving
            }
            loop.run()
        }
    }

    /// Carries what one end has sent, once.
    ///
    /// - Parameters:
    ///   - from: Whose bytes.
    ///   - to: To whom.
    ///   - piece: The most at once, in bytes.
    /// - Returns: Whether there was something.
    /// - Throws: An error that a pipeline let through.
    @discardableResult
    public func carry(_ from: End, to: End, _ piece: Int = .max) throws -> Bool {
        let all = from.socket.takeSent()
        for var bytes in all {
            while bytes.readableBytes > 0, let part = bytes.readSlice(length: min(piece, bytes.readableBytes)) {
                if to.channel.isActive { try to.channel.writeInbound(part) }
            }
        }
        loop.run()
        return !all.isEmpty
    }

    private func carryEnd(_ from: End, to: End, _ isDone: inout Bool) -> Bool {
        guard from.socket.hasEnded, !isDone else { return false }
        isDone = true
        to.socket.receiveEnd(keepsHalf: keepsHalf)
        return true
    }

    /// Ends both below everything that might wait for the other, so that nothing keeps anything alive.
    public func finish() {
        for end in [server, client] {
            (end.reader.onRead, end.reader.onEvent, end.reader.onError) = (nil, nil, nil)
            end.socket.receiveEnd(keepsHalf: false)
        }
        loop.run()
    }
}

/// Writes down what reaches the end of a pipeline.
public final class MemoryReader: ChannelInboundHandler, RemovableChannelHandler {
    /// Plaintext.
    public typealias InboundIn = ByteBuffer

    /// All that came.
    public private(set) var bytes = ByteBuffer()
    /// Errors, in order.
    public private(set) var errors: [any Error] = []
    /// Events, in order.
    public private(set) var events: [Any] = []
    /// How often the channel became inactive.
    public private(set) var inactiveCount = 0
    /// Is called at each read, after it was written down.
    public var onRead: ((ChannelHandlerContext) -> Void)?
    /// Is called at each event, after it was written down.
    public var onEvent: ((ChannelHandlerContext, Any) -> Void)?
    /// Is called at each error, after it was written down.
    public var onError: ((ChannelHandlerContext, any Error) -> Void)?
    /// Whether an error ends the channel, as in every pipeline of the programs.
    public var closesOnError = true

    /// A reader of nothing yet.
    public init() {}

    /// All that came, as text.
    public var text: String { String(buffer: bytes) }
    /// Whether the peer's half has ended while ours goes on.
    public var sawInputClosed: Bool { events.contains { $0 as? ChannelEvent == .inputClosed } }

    /// Writes down what came.
    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var part = unwrapInboundIn(data)
        bytes.writeBuffer(&part)
        onRead?(context)
    }

    /// Writes down an error.
    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        errors.append(error)
        onError?(context, error)
        if closesOnError { context.close(promise: nil) }
    }

    /// Writes down an event.
    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        events.append(event)
        onEvent?(context, event)
    }

    /// Counts the ends.
    public func channelInactive(context: ChannelHandlerContext) {
        inactiveCount += 1
        context.fireChannelInactive()
    }
}

/// A promise and what became of it, for tests in which nobody may wait.
public final class Outcome {
    /// To be handed to whoever has to keep it.
    public let promise: EventLoopPromise<Void>
    /// What became of it; `nil` while nothing did.
    public private(set) var result: Result<Void, any Error>?

    /// A promise of a loop in memory.
    public init(_ loop: EmbeddedEventLoop) {
        promise = loop.makePromise()
        promise.futureResult.assumeIsolated().whenComplete { self.result = $0 }
    }

    /// Whether it was kept.
    public var isKept: Bool { if case .success? = result { true } else { false } }
    /// Why it was not.
    public var error: (any Error)? { if case .failure(let error)? = result { error } else { nil } }
}
