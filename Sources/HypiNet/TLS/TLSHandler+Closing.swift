import HypiWire
import NIOCore

/// How a connection of TLS ends: what was taken goes out, then our goodbye, then the socket is closed.
extension TLSHandler {
    private static let plainAnswer = """
        HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\
        Connection: close\r\n\r\nthis port speaks TLS: use wss:// or https://\n
        """

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .output: closeOutput(context, promise)
        case .all: closeAll(context, promise)
        }
    }

    private func closeOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        guard state == .handshaking || state == .open else { return closeAll(context, promise) }
        guard !isOutputEnded else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        isOutputEnded = true
        guard state == .open else {
            outputPromise = promise
            return
        }
        endOutput(context, promise)
    }

    func endOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        sayGoodbye(context).assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: promise) }
    }

    func takeOutputPromise() -> EventLoopPromise<Void>? {
        defer { outputPromise = nil }
        return outputPromise
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

    /// Encrypts what is left, flushed or not, and our goodbye behind it; whoever comes later gets the same future.
    private func sayGoodbye(_ context: ChannelHandlerContext) -> EventLoopFuture<Void> {
        queue.mark()
        sendQueue(context)
        // What was kept just now may have led back here.
        if let goodbye { return goodbye }
        guard state == .open else { return context.eventLoop.makeSucceededVoidFuture() }
        let said = context.eventLoop.makePromise(of: Void.self)
        (isOutputEnded, goodbye) = (true, said.futureResult)
        session.close()
        writeLastOutput(context, said)
        return said.futureResult
    }

    private func writeLastOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>) {
        var bytes = context.channel.allocator.buffer(capacity: 0)
        session.takeOutput(into: &bytes)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard state == .handshaking || state == .open else { return }
        let wasHandshaking = state == .handshaking
        state = .closing
        isOutputEnded = true
        failQueue(error)
        // The alert tells the peer why; one that speaks HTTP would not understand it.
        let last = context.eventLoop.makePromise(of: Void.self)
        if wasHandshaking, error == .plainHTTP {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.plainAnswer)), promise: last)
        } else {
            writeLastOutput(context, last)
        }
        context.fireErrorCaught(error)
        // Our half first: with bytes of the peer unread, ending it all would reset the connection and take the alert along.
        last.futureResult.assumeIsolated().whenComplete { _ in
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
        let (writes, half) = (queue.takePromises(), takeOutputPromise())
        for promise in writes { promise.fail(error) }
        half?.fail(error)
    }

    /// The socket is gone: whoever waits hears of it.
    func finish(_ context: ChannelHandlerContext) {
        state = .ended
        closeTimer?.cancel()
        failQueue(ChannelError.ioOnClosedChannel)
        for promise in closePromises { promise.succeed() }
        closePromises = []
    }
}
