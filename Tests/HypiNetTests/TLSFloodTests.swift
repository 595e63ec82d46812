import COpenSSL
@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@Suite("TLS peers that want too much")
struct TLSFloodTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    @Test("a peer that wants new keys without end and reads nothing is cut off at a bound")
    func keyUpdates() throws {
        let peer = try TLSSession(rules.client, host: "localhost")
        let link = try MemoryLink(server: [TLSHandler(try TLSSession(rules.server))], client: [])
        defer { link.finish() }
        let server = link.server
        try shake(peer, server)
        server.socket.hold()
        var (count, most) = (0, 0)
        while server.reader.errors.isEmpty, count < 200_000 {
            count += 1
            try #require(SSL_key_update(peer.session, SSL_KEY_UPDATE_REQUESTED) == 1)
            var encrypted = ByteBuffer()
            try peer.write(ByteBuffer(string: "x"), to: &encrypted)
            try server.channel.writeInbound(encrypted)
            most = max(most, server.socket.pendingBytes)
        }
        #expect(server.reader.errors.map { $0 as? TLSError } == [.queueFull], "after \(count)")
        #expect(most <= Limits.tlsQueueBytes + 1024, "\(most)")
        #expect(server.reader.text.utf8.count == count, "what came before is there")
        link.loop.advanceTime(by: .seconds(Limits.closeSeconds))
        #expect(!server.channel.isActive && server.socket.pendingBytes == 0)
    }

    private func shake(_ peer: TLSSession, _ server: MemoryLink.End) throws {
        var isThrough = false
        while !isThrough {
            isThrough = try peer.handshake()
            try server.channel.writeInbound(SessionPair.output(peer))
            for bytes in server.socket.takeSent() { try peer.receive(bytes) }
        }
    }

    @Test("one that reads may have as many as it likes")
    func keyUpdatesOfReader() throws {
        let peer = try TLSSession(rules.client, host: "localhost")
        let link = try MemoryLink(server: [TLSHandler(try TLSSession(rules.server))], client: [])
        defer { link.finish() }
        let server = link.server
        try shake(peer, server)
        for _ in 0..<20_000 {
            try #require(SSL_key_update(peer.session, SSL_KEY_UPDATE_REQUESTED) == 1)
            var encrypted = ByteBuffer()
            try peer.write(ByteBuffer(string: "x"), to: &encrypted)
            try server.channel.writeInbound(encrypted)
            for bytes in server.socket.takeSent() { try peer.receive(bytes) }
            #expect(try SessionPair.text(peer).last == .none)
        }
        #expect(server.reader.errors.isEmpty && server.reader.text.utf8.count == 20_000)
    }

    @Test("memory does not grow with connections over sockets, closed by either side or cut")
    func connections() async throws {
        let rules = rules
        let count = Effort.number("HYPI_TLS_CONNECTIONS", default: 600)
        let group = MultiThreadedEventLoopGroup.singleton
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = TLSHandler(try TLSSession(rules.server))
                    try channel.pipeline.syncOperations.addHandlers([handler, Answerer()])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await Self.connect(200, to: port, rules)
        let before = TestEffort.residentBytes()
        let begin = ContinuousClock.now
        // One deadline for all: a sleep that is cancelled keeps its memory until it would have ended.
        try await within(.seconds(600), "\(count) connections") { try await Self.connect(count, to: port, rules) }
        let (after, time) = (TestEffort.residentBytes(), begin.duration(to: .now))
        print("\(count) connections in \(time): \(before >> 10) KiB before, \(after >> 10) KiB after")
        let growth = after - before
        #expect(Effort.isSanitized || growth < 16 << 20, "\(growth) bytes more after \(count) connections")
        try await server.close()
    }

    /// Eight at once, each until its end.
    private static func connect(_ count: Int, to port: Int, _ rules: TLSRules) async throws {
        try await withThrowingDiscardingTaskGroup { tasks in
            for lane in 0..<8 {
                tasks.addTask {
                    for number in stride(from: lane, to: count, by: 8) {
                        try await connect(ending: Ending.allCases[number % 3], to: port, rules)
                    }
                }
            }
        }
    }

    private enum Ending: CaseIterable { case client, server, cut }

    private static func connect(ending: Ending, to port: Int, _ rules: TLSRules) async throws {
        let answered = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = TLSHandler(try TLSSession(rules.client, host: "127.0.0.1"))
                    try channel.pipeline.syncOperations.addHandlers([Cutter(), handler, FirstRead(answered)])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: ending == .server ? "bye" : "ping")).get()
        try await answered.futureResult.get()
        switch ending {
        case .client: try? await channel.close().get()
        case .server: break
        case .cut: channel.pipeline.fireUserInboundEventTriggered(Cutter.Cut())
        }
        try await channel.closeFuture.get()
    }

    /// Answers; who says goodbye is sent home.
    private final class Answerer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let isLast = String(buffer: unwrapInboundIn(data)) == "bye"
            context.writeAndFlush(NIOAny(ByteBuffer(string: "pong")), promise: nil)
            if isLast { context.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
