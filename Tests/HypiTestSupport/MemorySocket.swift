public import NIOCore

/// What a socket is to the handlers of a channel in memory, which itself knows no halves and is never full.
///
/// It stands first in the pipeline. What is flushed waits in ``sent`` for whoever carries it to the peer; a socket that is
/// held takes nothing and keeps no promise until it is let go, as one whose peer does not read.
public final class MemorySocket: ChannelDuplexHandler {
    /// Ciphertext or plaintext: bytes.
    public typealias InboundIn = ByteBuffer
    /// Bytes.
    public typealias InboundOut = ByteBuffer
    /// Bytes.
    public typealias OutboundIn = ByteBuffer
    /// Bytes.
    public typealias OutboundOut = ByteBuffer

    private enum Pending {
        case bytes(ByteBuffer, EventLoopPromise<Void>?)
        case end(EventLoopPromise<Void>?)
    }

    /// What has gone out and was not carried yet, in order.
    public private(set) var sent: [ByteBuffer] = []
    /// Our half has ended, or all of it.
    public private(set) var hasEnded = false
    /// How often bytes of the peer were asked for.
    public private(set) var readCount = 0
    /// Whether the kernel takes what is flushed.
    public private(set) var isHeld = false
    /// What waits for a socket that is held, in bytes.
    public private(set) var pendingBytes = 0
    private var pending = MarkedCircularBuffer<Pending>(initialCapacity: 4)
    private var isClosed = false
    private var context: ChannelHandlerContext?

    /// A socket that takes what it is given.
    public init() {}

    /// The pipeline has taken the socket.
    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    /// The pipeline lets go of it.
    public func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// Counts, and lets the channel read.
    public func read(context: ChannelHandlerContext) {
        readCount += 1
        context.read()
    }

    /// Keeps what is written until it is flushed.
    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosed, !hasEnded else {
            promise?.fail(isClosed ? ChannelError.ioOnClosedChannel : .outputClosed)
            return
        }
        let bytes = unwrapOutboundIn(data)
        pendingBytes += bytes.readableBytes
        pending.append(.bytes(bytes, promise))
    }

    /// Takes what was written, unless it is held.
    public func flush(context: ChannelHandlerContext) {
        pending.mark()
        drain()
    }

    /// Ends our half behind what was flushed, or everything at once.
    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .output:
            guard !isClosed, !hasEnded else {
                promise?.fail(isClosed ? ChannelError.ioOnClosedChannel : .outputClosed)
                return
            }
            pending.append(.end(promise))
            pending.mark()
            drain()
        case .all:
            abandon()
            context.close(promise: promise)
        }
    }

    /// From here on nothing that is flushed is taken.
    public func hold() {
        isHeld = true
    }

    /// Takes what has piled up, and whatever follows.
    public func letGo() {
        isHeld = false
        drain()
    }

    /// The peer's half ends, in the way a socket says it.
    public func receiveEnd(keepsHalf: Bool) {
        guard let context, !isClosed else { return }
        if keepsHalf {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            abandon()
            context.close(promise: nil)
        }
    }

    /// Takes the bytes that have gone out.
    public func takeSent() -> [ByteBuffer] {
        defer { sent = [] }
        return sent
    }

    private func drain() {
        // A promise may lead back here.
        while !isHeld, !isClosed, pending.hasMark, let first = pending.popFirst() {
            switch first {
            case .bytes(let bytes, let promise):
                pendingBytes -= bytes.readableBytes
                sent.append(bytes)
                promise?.succeed()
            case .end(let promise):
                hasEnded = true
                promise?.succeed()
            }
        }
    }

    private func abandon() {
        (isClosed, hasEnded, pendingBytes) = (true, true, 0)
        let lost = pending
        pending = MarkedCircularBuffer(initialCapacity: 4)
        for case .bytes(_, let promise?) in lost { promise.fail(ChannelError.ioOnClosedChannel) }
        for case .end(let promise?) in lost { promise.fail(ChannelError.ioOnClosedChannel) }
    }
}
