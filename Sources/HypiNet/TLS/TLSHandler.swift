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

    enum State {
        case handshaking
        case open
        /// Our goodbye is on its way, or the session failed and its alert is: nothing more is taken or handed on.
        case closing
        /// The socket has been told to close, or is gone.
        case ended
    }

    let session: TLSSession
    var state = State.handshaking
    var queue = TLSQueue()
    /// Bytes that TLS itself wants to say and the peer has not taken.
    private var ownBytes = 0
    /// The peer has said goodbye.
    private var isInputEnded = false
    /// Our half is closed, or will be once the handshake is through: nothing more is taken.
    var isOutputEnded = false
    /// Our goodbye, once it was said: done when the socket has taken it and all that goes before it.
    var goodbye: EventLoopFuture<Void>?
    /// Who wanted our half closed while the handshake went on.
    var outputPromise: EventLoopPromise<Void>?
    /// Somebody waits for plaintext, and what has come so far was none.
    private var wantsRead = false
    var closePromises: [EventLoopPromise<Void>] = []
    var closeTimer: Scheduled<Void>?

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
                if isOutputEnded { endOutput(context, takeOutputPromise()) } else { sendQueue(context) }
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
        guard state == .handshaking || state == .open else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        guard !isOutputEnded else {
            promise?.fail(ChannelError.outputClosed)
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

    func sendQueue(_ context: ChannelHandlerContext) {
        guard state == .open, goodbye == nil else { return }
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
}
