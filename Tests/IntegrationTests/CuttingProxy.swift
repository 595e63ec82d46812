import HypiWire
import NIOCore
import NIOPosix
import Synchronization

/// A bad network between a viewer and an agent: bytes pass until the connection is cut, again and again.
final class CuttingProxy: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let channel: any Channel
    private let cuts: Cuts

    /// Listens on a free port and cuts every connection after `interval`.
    static func start(to url: WebSocketURL, cuttingAfter interval: TimeAmount) async throws -> CuttingProxy {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let cuts = Cuts()
        let channel = try await ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { client in
                client.eventLoop.scheduleTask(in: interval) {
                    cuts.count.add(1, ordering: .relaxed)
                    client.close(promise: nil)
                }
                let toClient = Pipe(peer: client)
                return ClientBootstrap(group: client.eventLoop)
                    .channelInitializer { server in
                        server.eventLoop.makeCompletedFuture {
                            try server.pipeline.syncOperations.addHandler(toClient)
                        }
                    }
                    .connect(host: url.host, port: url.port)
                    .flatMapThrowing { server in
                        try client.pipeline.syncOperations.addHandler(Pipe(peer: server))
                    }
                    .flatMap { client.setOption(.autoRead, value: true) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CuttingProxy(group: group, channel: channel, cuts: cuts)
    }

    private init(group: MultiThreadedEventLoopGroup, channel: any Channel, cuts: Cuts) {
        self.group = group
        self.channel = channel
        self.cuts = cuts
    }

    /// The proxy's own URL for what is behind it.
    func url(for target: WebSocketURL) -> WebSocketURL {
        WebSocketURL(host: "127.0.0.1", port: channel.localAddress?.port ?? 0, path: target.path)
    }

    /// How many connections were cut.
    var cutCount: Int {
        cuts.count.load(ordering: .relaxed)
    }

    func stop() async throws {
        try await channel.close()
        try await group.shutdownGracefully()
    }

    private final class Cuts: Sendable {
        let count = Atomic(0)
    }
}

/// Hands what arrives to the other side, and its end too; lives on the loop that both sides share.
private final class Pipe: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let peer: any Channel

    init(peer: any Channel) {
        self.peer = peer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        peer.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        peer.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
