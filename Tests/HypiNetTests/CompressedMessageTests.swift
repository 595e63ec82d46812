import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@Suite("Compressed messages over sockets, RFC 7692") struct CompressedMessageTests {
    private static let options = WebSocket.Options(messageLimit: 1 << 20, heartbeat: nil, compresses: true)
    private static let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    /// "Hello" of RFC 7692 section 7.2.3.1.
    private static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    private struct Session {
        var server: EchoServer
        var peer: RawPeer
        var head: String

        func end() async {
            await peer.connection.close()
            await server.stop()
        }
    }

    private func open(
        _ options: WebSocket.Options = Self.options, _ fields: [String] = [Self.offer]
    ) async throws -> Session {
        let server = try await EchoServer.start(options: options)
        let connection = try await RawConnection.connect(to: server.port)
        let peer = RawPeer(connection, isClient: true)
        await connection.send(server.request(adding: fields))
        return Session(server: server, peer: peer, head: try await peer.readHead().lowercased())
    }

    @Test("a server that compresses says so, and reads compressed messages beside others, whole or in fragments")
    func accepted() async throws {
        let session = try await open()
        #expect(
            session.head.contains(
                "\r\nsec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n"))
        await session.peer.send(0xC1, Self.hello)
        await session.peer.send(0x81, text: "plain")
        await session.peer.send(0x41, Array(Self.hello[..<3]))
        await session.peer.send(0x89, text: "ping")
        await session.peer.send(0x00, [])
        await session.peer.send(0x80, Array(Self.hello[3...]))
        await session.peer.send(0xC2, [0x00])
        let frames = try await session.peer.frames(5)
        #expect(frames.map(\.text) == ["Hello", "plain", "ping", "Hello", ""])
        #expect(frames.allSatisfy { $0.first & 0x70 == 0 })
        await session.end()
    }

    @Test("each message of a client stands for itself: what refers to one before it is 1007") func noContext()
        async throws
    {
        let session = try await open()
        await session.peer.send(0xC1, Self.hello)
        await session.peer.send(0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00])
        let frames = try await session.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [1, 8] && frames.last?.closeCode == 1007)
        await session.end()
    }

    @Test(
        "without an offer, or with none that can be served, nothing is agreed",
        arguments: [
            [], ["Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"],
        ])
    func declined(fields: [String]) async throws {
        let session = try await open(Self.options, fields)
        #expect(session.head.hasPrefix("http/1.1 101 ") && !session.head.contains("extensions"))
        await session.peer.send(0xC1, Self.hello)
        let frames = try await session.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [8] && frames.last?.closeCode == 1002)
        await session.end()
    }

    @Test("an offer that is no list of extensions is 400") func malformed() async throws {
        let session = try await open(Self.options, ["Sec-WebSocket-Extensions: permessage-deflate; ="])
        #expect(session.head.hasPrefix("http/1.1 400 "))
        await session.end()
    }

    @Test(
        "the compression bit on anything but the first frame of a message, and other bits, are 1002",
        arguments: [
            [(0xC8, [3, 232])], [(0xC9, [])], [(0xCA, [1])], [(0x41, [0xF2]), (0xC0, [0x48])],
            [(0x01, [65]), (0xC0, [66])], [(0xC0, [0x00])], [(0xE1, [0x00])], [(0xD1, [0x00])], [(0xA1, [0x00])],
        ] as [[(UInt8, [UInt8])]])
    func wrongBit(frames: [(UInt8, [UInt8])]) async throws {
        let session = try await open()
        for (first, payload) in frames { await session.peer.send(first, payload) }
        let answers = try await session.peer.framesUntilEnd()
        #expect(answers.map(\.opcode) == [8] && answers.last?.closeCode == 1002)
        await session.end()
    }

    @Test(
        "a message that is short on the wire and long behind it is 1009, in one frame or in many", arguments: [1, 500])
    func bomb(frameCount: Int) async throws {
        let writer = try #require(DeflateStream())
        var bytes = ByteBuffer()
        writer.compress(ByteBuffer(repeating: 0x20, count: 64 << 20), to: &bytes)
        let session = try await open()
        let length = bytes.readableBytes / frameCount
        var first: UInt8 = 0x41
        while let piece = bytes.readBytes(length: min(length, bytes.readableBytes)), !piece.isEmpty {
            await session.peer.send(bytes.readableBytes == 0 ? first | 0x80 : first, piece)
            first = 0x00
        }
        let frames = try await session.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [8] && frames.last?.closeCode == 1009)
        await session.end()
    }

    @Test("text that is not UTF-8 once it is decompressed is 1007") func notText() async throws {
        let writer = try #require(DeflateStream())
        var bytes = ByteBuffer()
        writer.compress(ByteBuffer(bytes: [0x41, 0xFF]), to: &bytes)
        let session = try await open()
        await session.peer.send(0xC1, Array(buffer: bytes))
        let frames = try await session.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [8] && frames.last?.closeCode == 1007)
        await session.end()
    }

    // MARK: As a client

    private func dial(_ field: String) async throws -> (peer: RawPeer, head: String, log: EndpointLog) {
        let listener = try await RawListener.start()
        let log = EndpointLog()
        let opened = WebSocketClient.connect(
            to: WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/"),
            options: .init(timeout: .seconds(60), socket: Self.options),
            on: MultiThreadedEventLoopGroup.singleton.next()
        ) { EchoEndpoint(log: log) }
        let peer = RawPeer(try await listener.next(), isClient: false)
        await listener.stop()
        let head = try await peer.readHead()
        var answer = SwitchingAnswer(to: head)
        answer.fields.append("Sec-WebSocket-Extensions: \(field)")
        await peer.connection.send(answer.text)
        try await opened.get()
        return (peer, head.lowercased(), log)
    }

    @Test("a client that compresses offers it, and reads messages that refer to those before them") func client()
        async throws
    {
        let (peer, head, log) = try await dial("permessage-deflate; server_max_window_bits=12")
        #expect(head.contains("\r\nsec-websocket-extensions: permessage-deflate\r\n"))
        await peer.send(0xC1, Self.hello)
        await peer.send(0x81, text: "plain")
        await peer.send(0xC1, [0xF2, 0x00, 0x11, 0x00, 0x00])
        #expect(try await peer.frames(3).map(\.text) == ["Hello", "plain", "Hello"])
        #expect(log.events == [.opened, .message("Hello"), .message("plain"), .message("Hello")])
        await peer.connection.close()
    }

    @Test("an answer that agrees to what was not offered is no WebSocket") func wrongAnswer() async throws {
        await #expect(throws: ConnectError.self) { try await dial("permessage-deflate; client_max_window_bits=15") }
        await #expect(throws: ConnectError.self) { try await dial("permessage-deflate, permessage-deflate") }
    }
}
