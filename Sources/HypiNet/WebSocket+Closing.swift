public import HypiWire
public import NIOCore

/// How a connection ends: by the close handshake (RFC 6455 section 7), a fault of the peer, or at once.
extension WebSocket {
    /// Starts the close handshake.
    ///
    /// - Parameters:
    ///   - code: Why, for programs.
    ///   - reason: Why, for people.
    ///   - deadline: How long the peer has to answer before the connection is dropped.
    public func close(
        _ code: CloseCode, reason: String = "", deadline: TimeAmount = .seconds(Limits.closeSeconds)
    ) {
        guard state == .open, let context else { return }
        // In the middle of a frame the peer would take a close frame for a part of it.
        guard missingByteCount == 0 else { return drop() }
        writeClose(Closure(code: code, reason: reason), context)
        state = .closing
        pulse.stop()
        dropAfter(deadline)
    }

    /// Ends the connection at once, without a close handshake.
    public func drop() {
        state = .ended
        pulse.stop()
        // What was written before goes as far as the kernel takes it, in the middle of a read as at any other time.
        flushWhatIsDue()
        context?.close(promise: nil)
    }

    private func writeClose(_ closure: Closure, _ context: ChannelHandlerContext) {
        guard state == .open else { return }
        guard missingByteCount == 0 else {
            closeSent = eventLoop.makeSucceededVoidFuture()
            return
        }
        var bytes = ByteBuffer()
        FrameEncoder.write(.close(closure.code, closure.reason), mask: mask(), to: &bytes)
        closeSent = context.writeAndFlush(wrapOutboundOut(bytes))
    }

    /// The peer's close frame is here: echo it if the peer began, and end the connection once our bytes are out.
    func finishClose(_ closure: Closure, _ context: ChannelHandlerContext) {
        self.closure = self.closure ?? closure
        writeClose(closure, context)
        // The server ends TCP first (RFC 6455 section 7.1.1); a client waits for that, as long as the deadline allows.
        endAfterClose { if self.role == .server { self.drop() } }
    }

    /// The peer broke the protocol: say so, and take nothing more from it.
    func fail(_ fault: FrameFault, _ context: ChannelHandlerContext) {
        guard state != .ended else { return }
        let closure = Closure(code: fault.code, reason: fault.reason)
        self.closure = closure
        writeClose(closure, context)
        // Only our half is closed at first: ending it all with bytes of the peer unread would reset the connection and
        // could take our close frame with it.
        endAfterClose { self.context?.close(mode: .output, promise: nil) }
    }

    private func endAfterClose(_ action: @escaping () -> Void) {
        state = .ended
        pulse.stop()
        dropAfter(.seconds(Limits.closeSeconds))
        closeSent?.assumeIsolated().whenComplete { _ in action() }
    }

    private func dropAfter(_ deadline: TimeAmount) {
        closeTimer?.cancel()
        closeTimer = eventLoop.assumeIsolated().scheduleTask(in: deadline) { self.drop() }
    }
}
