@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

/// Peers that send without end before anybody knows who they are.
@Suite("Floods before the handshake is through")
struct HandshakeFloodTests {
    private static let flood = [UInt8](repeating: 0x78, count: 4 << 20)

    @Test(
        "what is no head is answered and let go of, whatever it begins with",
        arguments: [
            "\r\n\r\n", "\r\n\r\nGET", "\r\n\r\n\r\n\r\n", "\n\n", "x\r\n\r\n", "\r\n\r\n\0",
            "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "GET /ws HTTP/1.1\nHost: x\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ])
    func noHead(start: String) async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        async let sent: Void = connection.send(Array(start.utf8) + Self.flood)
        let answer = String(decoding: try await connection.untilEnd(), as: UTF8.self)
        #expect(answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
        await sent
        await server.stop()
    }

    @Test("empty lines count as part of the head")
    func emptyLines() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        async let sent: Void = connection.send(String(repeating: "\r\n", count: Limits.requestHeadBytes))
        #expect(String(decoding: try await connection.untilEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
        await sent
        let patient = try await RawConnection.connect(to: server.port)
        await patient.send("\r\n\r\n" + server.request())
        #expect(try await RawPeer(patient, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
        await patient.close()
        await server.stop()
    }

    // MARK: The valve

    /// What comes out of a valve, and how much of the rest it keeps.
    private final class Sink: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let valve: HeadValve
        private let next: HeadValve.Stage?
        var byteCount = 0
        var faults: [HeadValve.Fault] = []

        init(_ valve: HeadValve, _ next: HeadValve.Stage?) {
            self.valve = valve
            self.next = next
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            byteCount += unwrapInboundIn(data).readableBytes
            if valve.isHeadThrough, let next { valve.expect(next) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            faults += [error as? HeadValve.Fault].compactMap(\.self)
        }
    }

    /// Asks for bytes as a channel with automatic reading does, and counts what reaches the socket.
    private final class Reads: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer

        var count = 0

        func read(context: ChannelHandlerContext) {
            count += 1
        }
    }

    private func valve(_ next: HeadValve.Stage?) throws -> (EmbeddedChannel, HeadValve, Sink, Reads) {
        let (valve, reads) = (HeadValve(), Reads())
        let sink = Sink(valve, next)
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers([reads, valve, sink])
        return (channel, valve, sink, reads)
    }

    @Test("after the head nothing is read until somebody has decided, and no more is kept than a head may have")
    func undecided() throws {
        let (channel, valve, sink, reads) = try valve(.undecided)
        try channel.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\nabc"))
        channel.pipeline.read()
        #expect(reads.count == 0 && sink.byteCount == 18)
        valve.expect(.dropped)
        #expect(reads.count == 1)
        let (full, _, fullSink, _) = try self.valve(.undecided)
        try full.writeInbound(ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n"))
        try full.writeInbound(ByteBuffer(repeating: 0, count: Limits.requestHeadBytes))
        #expect(fullSink.faults.isEmpty)
        try full.writeInbound(ByteBuffer(repeating: 0, count: 1))
        #expect(fullSink.faults == [.tooEarly])
        _ = try? channel.finish()
        _ = try? full.finish()
    }

    @Test("a head that the parser makes nothing of is a fault at once")
    func noHead() throws {
        let (channel, _, sink, _) = try valve(nil)
        try channel.writeInbound(ByteBuffer(string: "nothing\r\n\r\nmore"))
        #expect(sink.faults == [.noHead])
        _ = try? channel.finish()
    }

    @Test("informational answers share the limit of one head; a body has its own")
    func informational() throws {
        let (channel, valve, sink, _) = try valve(.head)
        for _ in 0..<100 { try channel.writeInbound(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")) }
        #expect(sink.faults.isEmpty && !valve.isHeadThrough)
        let row = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: Limits.requestHeadBytes / 25)
        try channel.writeInbound(ByteBuffer(string: row))
        #expect(sink.faults == [.headTooLong])
        let (body, _, bodySink, _) = try self.valve(.body)
        try body.writeInbound(ByteBuffer(string: "HTTP/1.1 401 No\r\n\r\n"))
        try body.writeInbound(ByteBuffer(repeating: 0, count: Limits.refusalBodyBytes + 1))
        #expect(bodySink.faults == [.bodyTooLong])
        _ = try? channel.finish()
        _ = try? body.finish()
    }

    // MARK: Servers that are none

    private enum Endless: String, CaseIterable {
        case informational = "HTTP/1.1 100 Continue\r\n\r\n"
        case body = "x"
        case chunks = "1\r\nx\r\n"
        case trailers = "X-Y: z\r\n"

        var start: String {
            switch self {
            case .informational: ""
            case .body: "HTTP/1.1 401 No\r\n\r\n"
            case .chunks: "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n"
            case .trailers: "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
            }
        }
    }

    @Test("a client hangs up on an endless answer long before its time is over", arguments: Endless.allCases)
    private func endless(_ kind: Endless) async throws {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/")
        let attempt = WebSocketClient.connect(
            to: url, options: .init(timeout: .hours(1)), on: MultiThreadedEventLoopGroup.singleton.next()
        ) { EchoEndpoint(log: EndpointLog()) }
        let connection = try await listener.next()
        _ = try await RawPeer(connection, isClient: false).readHead()
        let flood = String(repeating: kind.rawValue, count: (4 << 20) / kind.rawValue.utf8.count)
        async let sent: Void = connection.send(kind.start + flood)
        await #expect(throws: ConnectError.self) {
            try await within(.seconds(30), "the end of the attempt") { try await attempt.get() }
        }
        try await connection.received.wait("the end of the connection") { $1 }
        await sent
        await listener.stop()
    }

    @Test("informational answers before the real one are passed over")
    func early() async throws {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/")
        let log = EndpointLog()
        let attempt = WebSocketClient.connect(to: url, on: MultiThreadedEventLoopGroup.singleton.next()) {
            EchoEndpoint(log: log)
        }
        let connection = try await listener.next()
        let request = try await RawPeer(connection, isClient: false).readHead()
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
        let frames = RawPeer.frame(0x81, Array("first".utf8), mask: nil)
        await connection.send(Array((hints + hints + SwitchingAnswer(to: request).text).utf8) + frames)
        try await within(.seconds(30), "the connection") { try await attempt.get() }
        await connection.send(RawPeer.frame(0x88, [3, 232], mask: nil))
        #expect(try await log.closure().code == .normal)
        #expect(log.events.contains(.message("first")))
        await connection.close()
        await listener.stop()
    }
}
