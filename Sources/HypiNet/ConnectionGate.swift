import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1

/// What every connection of one server goes through: the count, the policy, the routes.
final class ConnectionGate: Sendable {
    let policy: HandshakePolicy
    let route: @Sendable (HandshakeRequest) -> WebSocketServer.Route
    let refusals = RefusalLog()
    private let limit: Int
    private let count = NIOLockedValueBox(0)

    init(limit: Int, policy: HandshakePolicy, route: @escaping @Sendable (HandshakeRequest) -> WebSocketServer.Route) {
        self.limit = limit
        self.policy = policy
        self.route = route
    }

    /// Sets up the pipeline of a new connection, on its loop.
    func admit(_ channel: any Channel) throws {
        let isFull = count.withLockedValue { count in
            count += 1
            return count > limit
        }
        channel.closeFuture.whenComplete { [count] _ in count.withLockedValue { $0 -= 1 } }
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
        let encoder = HTTPResponseEncoder()
        let headLimit = RequestHeadLimit()
        let handshake = HandshakeHandler(
            gate: self, isFull: isFull, codec: .init(headLimit: headLimit, decoder: decoder, encoder: encoder))
        try channel.pipeline.syncOperations.addHandlers([headLimit, decoder, encoder, handshake])
    }
}

/// Ends a connection whose request head grows beyond ``Limits/requestHeadBytes``.
final class RequestHeadLimit: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var byteCount = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        byteCount += unwrapInboundIn(data).readableBytes
        guard byteCount <= Limits.requestHeadBytes else {
            context.fireErrorCaught(HandshakeFault.headTooLong)
            return
        }
        context.fireChannelRead(data)
    }
}

/// Why a handshake is answered with 400.
enum HandshakeFault: Error {
    case headTooLong
}
