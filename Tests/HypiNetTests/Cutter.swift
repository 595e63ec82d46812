import NIOCore

/// Ends a connection below TLS when it is told ``Cut``: no goodbye goes out.
final class Cutter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    struct Cut: Sendable {}

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is Cut { context.close(promise: nil) }
    }
}
