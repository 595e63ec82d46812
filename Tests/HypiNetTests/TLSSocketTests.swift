@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@Suite("TLS over sockets")
struct TLSSocketTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    /// Sends back what comes; does not read while it cannot write.
    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        /// Kept when the peer has let so much pile up that nothing more can be written.
        let full: EventLoopPromise<Void>

        init(full: EventLoopPromise<Void>) {
            self.full = full
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            context.writeAndFlush(data, promise: nil)
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            let isWritable = context.channel.isWritable
            if !isWritable { full.succeed() }
            context.channel.setOption(.autoRead, value: isWritable).assumeIsolated().whenFailure { _ in
                context.close(promise: nil)
            }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
            context.writeAndFlush(NIOAny(ByteBuffer(string: "the end"))).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        }
    }

    /// Sends a number of bytes as the channel takes them, reads nothing before the server cannot write any more, and then all.
    private final class Source: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        static let piece = ByteBuffer(bytes: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
        var left: Int
        let sum: NIOLockedValueBox<(count: Int, isRight: Bool, tail: String, errors: [String])>

        init(_ count: Int, _ sum: NIOLockedValueBox<(count: Int, isRight: Bool, tail: String, errors: [String])>) {
            left = count
            self.sum = sum
        }

        func handlerAdded(context: ChannelHandlerContext) {
            // The handler of TLS holds what is written now until the handshake is through.
            pump(context)
        }

        private func pump(_ context: ChannelHandlerContext) {
            var burst = 8
            while left > 0, burst > 0, context.channel.isWritable {
                left -= 1
                burst -= 1
                context.writeAndFlush(NIOAny(Self.piece)).assumeIsolated().whenSuccess { self.pump(context) }
            }
            if left == 0 {
                left = -1
                context.close(mode: .output, promise: nil)
            }
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            pump(context)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            sum.withLockedValue { sum in
                while bytes.readableBytes > 0, sum.count < TLSSocketTests.byteCount {
                    let offset = sum.count % 65_536
                    let length = min(bytes.readableBytes, 65_536 - offset)
                    if bytes.readSlice(length: length) != Self.piece.getSlice(at: offset, length: length) {
                        sum.isRight = false
                    }
                    sum.count += length
                }
                sum.count += bytes.readableBytes
                sum.tail += String(buffer: bytes)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            sum.withLockedValue { $0.errors.append("\(error)") }
            context.close(promise: nil)
        }
    }

    fileprivate static let pieces = 1600
    fileprivate static let byteCount = pieces * 65_536

    @Test("a hundred megabytes each way, a reader that is late, and half a close lose no byte")
    func bulk() async throws {
        let rules = rules
        let full = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = TLSHandler(try TLSSession(rules.server))
                    try channel.pipeline.syncOperations.addHandlers([handler, Echo(full: full)])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let sum = NIOLockedValueBox((count: 0, isRight: true, tail: "", errors: [String]()))
        let port = try #require(server.localAddress?.port)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .connect(host: "127.0.0.1", port: port)
            .flatMapThrowing { channel in
                let handler = TLSHandler(try TLSSession(rules.client, host: "127.0.0.1"))
                try channel.pipeline.syncOperations.addHandlers([handler, Source(Self.pieces, sum)])
                return channel
            }.get()
        try await within(.seconds(60), "a server that feels the late reader") { try await full.futureResult.get() }
        try await client.setOption(.autoRead, value: true).get()
        try await within(.seconds(240), "the end of the transfer: \(sum.withLockedValue { $0.count })") {
            try await client.closeFuture.get()
        }
        let end = sum.withLockedValue { $0 }
        #expect(end.count == Self.byteCount + 7 && end.isRight && end.tail == "the end" && end.errors == [])
        try await server.close()
    }

    @Test("a connection that is cut tells the endpoint so")
    func cut() async throws {
        let log = EndpointLog()
        let policy = HandshakePolicy(token: Token(EchoServer.token), machine: "testbox")
        let server = try await WebSocketServer.start(
            .init(host: "127.0.0.1", port: 0, policy: policy, certificate: rules.certificate),
            on: MultiThreadedEventLoopGroup.singleton
        ) { _ in .webSocket { _, _ in EchoEndpoint(log: log) } }
        let rules = rules
        let port = server.port
        let request = EchoServer.request("GET /ws HTTP/1.1", port: port, token: EchoServer.token)
        let answered = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port)
            .flatMapThrowing { channel in
                let handler = TLSHandler(try TLSSession(rules.client, host: "127.0.0.1"))
                try channel.pipeline.syncOperations.addHandlers([handler, FirstRead(answered)])
                channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
                return channel
            }.get()
        try await log.opening()
        // What is cut with an answer unread is a reset, and no end.
        try await within(.seconds(60), "the answer") { try await answered.futureResult.get() }
        // Below TLS: no goodbye goes out.
        try await client.eventLoop.submit {
            try client.pipeline.syncOperations.addHandler(Cutter(), position: .first)
        }.get()
        client.pipeline.fireUserInboundEventTriggered(Cutter.Cut())
        #expect(try await log.closure() == Closure(code: .abnormal, reason: "the TLS connection was cut off"))
        await server.stopAccepting()
    }
}
