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
    /// A lock, because connections come and go on every loop.
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    init(limit: Int, policy: HandshakePolicy, route: @escaping @Sendable (HandshakeRequest) -> WebSocketServer.Route) {
        self.limit = limit
        self.policy = policy
        self.route = route
    }

    /// Sets up the pipeline of a new connection, on its loop.
    func admit(_ channel: any Channel) throws {
        let key = ObjectIdentifier(channel)
        let isFull = channels.withLockedValue { channels in
            channels[key] = channel
            return channels.count > limit
        }
        channel.closeFuture.whenComplete { [channels] _ in channels.withLockedValue { $0[key] = nil } }
        let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
        let encoder = HTTPResponseEncoder()
        let headLimit = RequestHeadLimit()
        let handshake = HandshakeHandler(
            gate: self, isFull: isFull, codec: .init(headLimit: headLimit, decoder: decoder, encoder: encoder))
        try channel.pipeline.syncOperations.addHandlers([headLimit, decoder, encoder, handshake])
    }
}

extension ConnectionGate {
    /// Asks every open connection to close, and ends those that have not by the deadline.
    func closeAll(_ closure: Closure, within limit: TimeAmount, on eventLoop: any EventLoop) async {
        let open = channels.withLockedValue { Array($0.values) }
        for channel in open {
            channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(ServerStop(closure: closure)) }
        }
        let deadline = eventLoop.scheduleTask(in: limit) {
            for channel in open { channel.close(promise: nil) }
        }
        // The future of all that complete, whichever way, does not fail.
        try? await EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: eventLoop).get()
        deadline.cancel()
    }
}

/// The server stops: every connection closes with these words.
struct ServerStop: Sendable {
    var closure: Closure
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
