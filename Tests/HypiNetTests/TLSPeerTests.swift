import Foundation
@testable import HypiNet
import HypiTestSupport
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

@Suite("TLS with Python's ssl and the openssl command")
struct TLSPeerTests {
    private static let megabytes = Effort.number("HYPI_TLS_MEGABYTES", default: 100)
    private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Scripts/tls-bulk.py").standardizedFileURL.path
    private let certificates: TestCertificates

    init() throws {
        certificates = try TestCertificates()
    }

    private func python(_ arguments: [String]) throws -> TestProcess {
        try TestProcess(
            "/usr/bin/python3", [Self.script] + arguments, environment: ["PATH": "/usr/bin:/bin"],
            cwd: certificates.folder)
    }

    private func bind(
        _ pair: TestCertificates.Pair, _ last: @escaping @Sendable () -> any ChannelHandler
    ) async throws -> any Channel {
        let certificate = try TLSCertificate(certificateFile: pair.certificate, keyFile: pair.key)
        return try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.socketOption(.so_sndbuf), value: 65_536)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([try certificate.handler(), last()])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    @Test("a hundred megabytes each way with a client that reads late and slowly are whole, and memory is bounded")
    func bulkClient() async throws {
        defer { certificates.cleanUp() }
        let pair = try certificates.issue("server")
        let server = try await bind(pair) { TLSEcho() }
        let before = TestEffort.residentBytes()
        let client = try python(
            ["client", "\(try #require(server.localAddress?.port))", certificates.authority, "\(Self.megabytes << 20)"])
        let full = try await client.line(0, timeout: .seconds(120))
        #expect(full.hasPrefix("full after "))
        let growth = TestEffort.residentBytes() - before
        #expect(Effort.isSanitized || growth < 32 << 20, "\(growth) bytes for \(full)")
        let result = try await client.finish(timeout: .seconds(240))
        #expect(result.exit == .status(0) && result.output.hasSuffix("whole\n"), "\(result.output)\(result.errors)")
        try await server.close()
    }

    @Test("a hundred megabytes each way with a server of Python are whole, and its goodbye is heard")
    func bulkServer() async throws {
        defer { certificates.cleanUp() }
        let pair = try certificates.issue("server")
        let server = try python(["server", pair.certificate, pair.key])
        let port = try #require(Int(try await server.line(0)))
        let trust = TLSTrust(authorityFile: certificates.authority)
        let count = Self.megabytes << 20
        let ended = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: Void.self)
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler(try TLSSession(try TLSContexts.shared.configuration(trust), host: "localhost")),
                        TLSSource(count: count, ended: ended),
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await within(.seconds(240), "the transfer") { try await ended.futureResult.get() }
        try await client.close().get()
        try await server.output.wait("Python's view of the end: \(server.output.text)") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).hasSuffix("goodbye\n")
        }
    }

    @Test("a server that cuts the connection without a goodbye is reported, one that says it is not")
    func truncation() async throws {
        defer { certificates.cleanUp() }
        let pair = try certificates.issue("server")
        enum Ending: CaseIterable { case killed, cut, polite }
        for ending in Ending.allCases {
            let server = try await Server(pair, ending == .polite ? ["-www"] : [])
            let log = NIOLockedValueBox<[TLSError]>([])
            let client = try await connect(to: server.port, log)
            try await client.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.0\r\n\r\n")).get()
            if ending != .polite {
                try await server.process.output.wait("the question") { bytes, _ in
                    String(decoding: bytes, as: UTF8.self).contains("GET / HTTP/1.0")
                }
            }
            // A Q lets s_server close the socket and nothing else.
            if ending == .killed { server.process.signal(SIGKILL) }
            if ending == .cut { server.process.send("Q\n") }
            try await within(.seconds(60), "the end") { try await client.closeFuture.get() }
            #expect(log.withLockedValue { $0 } == (ending == .polite ? [] : [.truncated]), "\(ending)")
        }
    }

    @Test("a server that wants to negotiate anew is refused, and the connection ends")
    func renegotiation() async throws {
        defer { certificates.cleanUp() }
        let server = try await Server(try certificates.issue("server"), ["-tls1_2"])
        let log = NIOLockedValueBox<[TLSError]>([])
        let client = try await connect(to: server.port, log)
        try await client.writeAndFlush(ByteBuffer(string: "question\n")).get()
        try await server.process.output.wait("the question") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("question")
        }
        server.process.send("r\n")
        try await within(.seconds(60), "the end") { try await client.closeFuture.get() }
        // Its words for the protocol changed with versions of OpenSSL.
        let errors = log.withLockedValue { $0 }
        #expect(errors.count == 1 && "\(errors)".contains("alert handshake failure"), "\(errors)")
        try await server.process.errors.wait("s_server's view of it") { bytes, hasEnded in
            hasEnded || String(decoding: bytes, as: UTF8.self).contains("no renegotiation")
        }
        #expect(server.process.errors.text.contains("no renegotiation"))
    }

    /// A server of openssl for one connection, which obeys what is sent to its standard input.
    private struct Server {
        let process: TestProcess
        let port: Int

        init(_ pair: TestCertificates.Pair, _ options: [String] = []) async throws {
            let process = try TestProcess(
                "/usr/bin/openssl",
                ["s_server", "-accept", "127.0.0.1:0", "-cert", pair.certificate, "-key", pair.key, "-naccept", "1"]
                    + options,
                environment: [:], input: .pipe)
            try await process.output.wait("the port of s_server") { bytes, hasEnded in
                hasEnded || Self.port(bytes) != nil
            }
            (self.process, port) = (process, try #require(Self.port(process.output.bytes)))
        }

        private static func port(_ bytes: [UInt8]) -> Int? {
            guard let end = bytes.lastIndex(of: UInt8(ascii: "\n")) else { return nil }
            return String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\n")
                .first { $0.hasPrefix("ACCEPT ") }
                .flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }
        }
    }

    private func connect(
        to port: Int, _ log: NIOLockedValueBox<[TLSError]>
    ) async throws -> any Channel {
        let trust = TLSTrust(authorityFile: certificates.authority)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler(try TLSSession(try TLSContexts.shared.configuration(trust), host: "localhost")),
                        TLSLog(log),
                    ])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }
}

/// Sends back what comes; does not read while it cannot write.
private final class TLSEcho: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.writeAndFlush(data, promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        let isWritable = context.channel.isWritable
        context.channel.setOption(.autoRead, value: isWritable).assumeIsolated().whenFailure { _ in
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

/// Sends a number of bytes as the channel takes them, and tells when as many have come back as they were sent.
private final class TLSSource: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private static let piece = ByteBuffer(bytes: (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    private let count: Int
    private let ended: EventLoopPromise<Void>
    private var sent = 0
    private var received = 0

    private struct Damage: Error {
        var offset: Int
    }

    init(count: Int, ended: EventLoopPromise<Void>) {
        self.count = count
        self.ended = ended
    }

    func handlerAdded(context: ChannelHandlerContext) {
        pump(context)
    }

    private func pump(_ context: ChannelHandlerContext) {
        guard sent < count, context.channel.isWritable else { return }
        let piece = Self.piece.getSlice(at: 0, length: min(65_536, count - sent)) ?? ByteBuffer()
        sent += piece.readableBytes
        context.writeAndFlush(NIOAny(piece)).assumeIsolated().whenSuccess { self.pump(context) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        pump(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        while bytes.readableBytes > 0 {
            let offset = received % 65_536
            let length = min(bytes.readableBytes, 65_536 - offset)
            guard bytes.readSlice(length: length) == Self.piece.getSlice(at: offset, length: length) else {
                return ended.fail(Damage(offset: received))
            }
            received += length
        }
        if received == count { ended.succeed() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ended.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended.fail(ChannelError.eof)
    }
}

/// Writes down what comes.
private final class TLSLog: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let log: NIOLockedValueBox<[TLSError]>

    init(_ log: NIOLockedValueBox<[TLSError]>) {
        self.log = log
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError { log.withLockedValue { $0.append(error) } }
        context.close(promise: nil)
    }
}
