import HypiWire
import NIOCore

/// TLS between a socket and whoever speaks through it: ciphertext on one side, plaintext on the other.
///
/// ```
/// socket -> channelRead -> TLSSession -> fireChannelRead -> HTTP, WebSocket
/// socket <- context.write <- TLSSession <- write, flush   <- HTTP, WebSocket
/// ```
///
/// Nothing of what is written leaves before the handshake is through and the peer has been verified. A goodbye of the
/// peer is the end of its half; an end without one is ``TLSError/truncated``. Backpressure is the channel's own: what was
/// encrypted lies in its buffer, and one read of it is one read of plaintext at least.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case handshaking
        case open
        /// Our goodbye is on its way, or the session failed and its alert is: nothing more is taken or handed on.
        case closing
        /// The socket has been told to close, or is gone.
        case ended
    }

    private static let plainAnswer = """
        HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\
        Connection: close\r\n\r\nthis port speaks TLS: use wss:// or https://\n
        """

    private let session: TLSSession
    private var state = State.handshaking
    private var queue = TLSQueue()
    /// Bytes that TLS itself wants to say and the peer has not taken.
    private var ownBytes = 0
    /// The peer has said goodbye.
    private var isInputEnded = false
    /// We have.
    private var isOutputEnded = false
    /// Somebody waits for plaintext, and what has come so far was none.
    private var wantsRead = false
    private var closePromises: [EventLoopPromise<Void>] = []
    private var closeTimer: Scheduled<Void>?

    init(_ session: TLSSession) {
        self.session = session
    }

    // MARK: The channel's life

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        finish(context)
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if state == .open, !isInputEnded { context.fireErrorCaught(TLSError.truncated) }
        finish(context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        // After the goodbye it is old news.
        if !isInputEnded { fail(.truncated, context) }
    }

    // MARK: From the peer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state == .handshaking || state == .open, !isInputEnded else { return }
        do throws(TLSError) {
            try session.receive(unwrapInboundIn(data))
        } catch {
            return fail(error, context)
        }
        advance(context)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        // The peer's bytes were the handshake's, or half a record: whoever asked for some still waits.
        if state == .handshaking || wantsRead, state != .ended { context.read() }
    }

    func read(context: ChannelHandlerContext) {
        wantsRead = true
        context.read()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard state == .handshaking else { return }
        advance(context)
        // The handshake needs the peer's bytes, also where reading is off.
        context.read()
    }

    private func advance(_ context: ChannelHandlerContext) {
        do throws(TLSError) {
            if state == .handshaking {
                let isThrough = try session.handshake()
                sendOwnOutput(context)
                guard isThrough, state == .handshaking else { return }
                state = .open
                sendQueue(context)
            }
            try deliver(context)
            sendOwnOutput(context)
        } catch {
            fail(error, context)
        }
    }

    private func deliver(_ context: ChannelHandlerContext) throws(TLSError) {
        // What is called may write, close or end everything; so every step looks again.
        while state == .open, !isInputEnded {
            var plaintext = context.channel.allocator.buffer(capacity: 0)
            switch try session.read(into: &plaintext) {
            case .some:
                wantsRead = false
                context.fireChannelRead(wrapInboundOut(plaintext))
            case .none: return
            case .ended:
                isInputEnded = true
                endInput(context)
            }
        }
    }

    /// The peer's goodbye means what the end of a plain connection means: the end, unless halves are wanted.
    private func endInput(_ context: ChannelHandlerContext) {
        let keepsHalf = (try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)) ?? false
        if keepsHalf {
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        } else {
            close(context: context, mode: .all, promise: nil)
        }
    }

    // MARK: To the peer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard state == .handshaking || state == .open, !isOutputEnded else {
            promise?.fail(isOutputEnded && state == .open ? ChannelError.outputClosed : .ioOnClosedChannel)
            return
        }
        queue.append(unwrapOutboundIn(data), promise)
        // Nothing of this counts for the channel's writability before it has been encrypted.
        if state == .handshaking, queue.byteCount > Limits.tlsQueueBytes { fail(.queueFull, context) }
    }

    func flush(context: ChannelHandlerContext) {
        queue.mark()
        sendQueue(context)
    }

    private func sendQueue(_ context: ChannelHandlerContext) {
        guard state == .open, !isOutputEnded else { return }
        while let (plaintext, promise) = queue.popMarked() {
            var encrypted = context.channel.allocator.buffer(capacity: 0)
            do throws(TLSError) {
                try session.write(plaintext, to: &encrypted)
            } catch {
                promise?.fail(error)
                return fail(error, context)
            }
            context.write(wrapOutboundOut(encrypted), promise: promise)
        }
        context.flush()
    }

    /// Sends what TLS itself has to say: a peer that makes us talk and does not listen is cut off.
    private func sendOwnOutput(_ context: ChannelHandlerContext) {
        var bytes = context.channel.allocator.buffer(capacity: 0)
        session.takeOutput(into: &bytes)
        let count = bytes.readableBytes
        guard count > 0, state != .ended else { return }
        ownBytes += count
        guard ownBytes <= Limits.tlsQueueBytes else { return fail(.queueFull, context) }
        context.writeAndFlush(wrapOutboundOut(bytes)).assumeIsolated().whenComplete { _ in self.ownBytes -= count }
    }

    // MARK: The end

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .output: closeOutput(context, promise)
        case .all: closeAll(context, promise)
        }
    }

    private func closeOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        guard state == .open else { return closeAll(context, promise) }
        guard !isOutputEnded else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        sayGoodbye(context).assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: promise) }
    }

    private func closeAll(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        switch state {
        case .ended: context.close(promise: promise)
        case .closing: if let promise { closePromises.append(promise) }
        case .handshaking:
            if let promise { closePromises.append(promise) }
            endSocket(context)
        case .open:
            if let promise { closePromises.append(promise) }
            // The socket is closed once all that was encrypted has gone out, or the peer had its time to take it.
            let said = sayGoodbye(context)
            guard state == .open else { return }
            state = .closing
            endSocket(after: said, context)
        }
    }

    /// Encrypts what is left, flushed or not, and our goodbye behind it.
    private func sayGoodbye(_ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        queue.mark()
        sendQueue(context)
        guard state == .open, !isOutputEnded else { return context.eventLoop.makeSucceededVoidFuture() }
        isOutputEnded = true
        session.close()
        return writeLastOutput(context)
    }

    private func writeLastOutput(_ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        var bytes = context.channel.allocator.buffer(capacity: 0)
        session.takeOutput(into: &bytes)
        return context.writeAndFlush(wrapOutboundOut(bytes))
    }

    private func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard state == .handshaking || state == .open else { return }
        let wasHandshaking = state == .handshaking
        state = .closing
        isOutputEnded = true
        failQueue(error)
        // The alert tells the peer why; one that speaks HTTP would not understand it.
        let isPlain = wasHandshaking && error == .plainHTTP
        let last =
            isPlain
            ? context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.plainAnswer))) : writeLastOutput(context)
        context.fireErrorCaught(error)
        // Our half first: with bytes of the peer unread, ending it all would reset the connection and take the alert along.
        last.assumeIsolated().whenComplete { _ in
            if self.state == .closing { context.close(mode: .output, promise: nil) }
        }
        closeLater(context)
    }

    private func endSocket(after last: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        last.assumeIsolated().whenComplete { _ in self.endSocket(context) }
        closeLater(context)
    }

    private func closeLater(_ context: ChannelHandlerContext) {
        guard state == .closing else { return }
        closeTimer?.cancel()
        closeTimer = context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Limits.closeSeconds)) {
            self.endSocket(context)
        }
    }

    private func endSocket(_ context: ChannelHandlerContext) {
        guard state != .ended else { return }
        state = .ended
        closeTimer?.cancel()
        failQueue(ChannelError.ioOnClosedChannel)
        let closed = context.eventLoop.makePromise(of: Void.self)
        for promise in closePromises { closed.futureResult.cascade(to: promise) }
        closePromises = []
        context.close(promise: closed)
    }

    private func failQueue(_ error: any Error) {
        // A promise may lead back here, so the queue is let go of first.
        for promise in queue.takePromises() { promise.fail(error) }
    }

    /// The socket is gone: whoever waits hears of it.
    private func finish(_ context: ChannelHandlerContext) {
        state = .ended
        closeTimer?.cancel()
        failQueue(ChannelError.ioOnClosedChannel)
        for promise in closePromises { promise.succeed() }
        closePromises = []
    }
}

/// Plaintext that has not been encrypted yet, in order.
private struct TLSQueue {
    private var writes = MarkedCircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>(initialCapacity: 4)
    private(set) var byteCount = 0

    mutating func append(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        byteCount += bytes.readableBytes
        writes.append((bytes, promise))
    }

    /// All that is there may go.
    mutating func mark() {
        writes.mark()
    }

    mutating func popMarked() -> (ByteBuffer, EventLoopPromise<Void>?)? {
        guard writes.hasMark, let first = writes.popFirst() else { return nil }
        byteCount -= first.0.readableBytes
        return first
    }

    /// Empties it; the promises are the caller's then.
    mutating func takePromises() -> [EventLoopPromise<Void>] {
        let promises = writes.compactMap(\.1)
        writes = MarkedCircularBuffer(initialCapacity: 4)
        byteCount = 0
        return promises
    }
}
