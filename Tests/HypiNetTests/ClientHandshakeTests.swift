import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@Suite("Handshake of the client, over sockets")
struct ClientHandshakeTests {
    /// Connects to a handwritten server that answers with what `answer` makes of the request.
    private func connect(
        options: WebSocketClient.Options = .init(timeout: .seconds(60)), log: EndpointLog = EndpointLog(),
        answer: @escaping @Sendable (_ request: String, _ connection: RawConnection) async throws -> Void
    ) async throws {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/p", query: "q=1")
        let future = WebSocketClient.connect(
            to: url, options: options, on: MultiThreadedEventLoopGroup.singleton.next()
        ) { EchoEndpoint(log: log, greeting: "hello") }
        async let outcome = within(.seconds(60), "the end of the handshake") {
            await Result { () async throws in try await future.get() }
        }
        let connection = try await listener.next()
        try await answer(try await RawPeer(connection, isClient: false).readHead(), connection)
        defer { Task { await listener.stop() } }
        do {
            try await outcome.get()
        } catch let error as ConnectError {
            throw Failure(error, url)
        }
    }

    /// A ``ConnectError`` without the URL, which differs from run to run.
    private enum Failure: Error, Equatable {
        case unreachable(String)
        case timedOut
        case refused(Int, String)
        case notWebSocket
        case other

        init(_ error: ConnectError, _ url: WebSocketURL) {
            switch error {
            case .unreachable(url, let reason): self = .unreachable(reason)
            case .timedOut(url): self = .timedOut
            case .refused(url, let status, let message): self = .refused(status, message)
            case .notWebSocket(url): self = .notWebSocket
            default: self = .other
            }
        }
    }

    private func expect(
        _ failure: Failure, options: WebSocketClient.Options = .init(timeout: .seconds(60)),
        location: SourceLocation = #_sourceLocation,
        answer: @escaping @Sendable (_ request: String, _ connection: RawConnection) async throws -> Void
    ) async throws {
        let log = EndpointLog()
        await #expect(throws: failure, sourceLocation: location) {
            try await connect(options: options, log: log, answer: answer)
        }
        #expect(log.events.isEmpty, sourceLocation: location)
    }

    @Test("the request is what RFC 6455 section 4.1 asks for, with token and subprotocols")
    func request() async throws {
        let options = WebSocketClient.Options(
            token: Token("s3cret"), subprotocols: ["a", "b"], timeout: .seconds(60))
        try await connect(options: options) { request, connection in
            let lines = request.split(separator: "\r\n").map(String.init)
            #expect(lines[0] == "GET /p?q=1 HTTP/1.1")
            #expect(lines.contains("Upgrade: websocket") && lines.contains("Connection: Upgrade"))
            #expect(lines.contains("Sec-WebSocket-Version: 13") && lines.contains("Authorization: Bearer s3cret"))
            #expect(lines.contains("Sec-WebSocket-Protocol: a, b"))
            #expect(lines.contains { $0.hasPrefix("Host: 127.0.0.1:") } && !request.contains("Origin"))
            var answer = SwitchingAnswer(to: request)
            answer.fields.append("Sec-WebSocket-Protocol: b")
            await connection.send(answer.text)
        }
    }

    @Test("frames in the packet of the 101 reach the endpoint, which may write as soon as it is opened")
    func earlyFrames() async throws {
        let log = EndpointLog()
        try await connect(log: log) { request, connection in
            let frames = RawPeer.frame(0x81, Array("first".utf8), mask: nil) + RawPeer.frame(0x88, [3, 232], mask: nil)
            await connection.send(Array(SwitchingAnswer(to: request).text.utf8) + frames)
        }
        #expect(try await log.closure().code == .normal)
        #expect(log.events == [.opened, .message("first"), .closed(Closure(code: .normal))])
    }

    @Test("an answer that arrives byte by byte is the same answer")
    func byteByByte() async throws {
        let log = EndpointLog()
        try await connect(log: log) { request, connection in
            let frame = RawPeer.frame(0x81, Array("first".utf8), mask: nil)
            let end = RawPeer.frame(0x88, [3, 232], mask: nil)
            await connection.sendByteByByte(Array(SwitchingAnswer(to: request).text.utf8) + frame + end)
        }
        #expect(try await log.closure().code == .normal)
        #expect(log.events.contains(.message("first")))
    }

    @Test("a 101 that does not agree to what was asked is no WebSocket")
    func disagreement() async throws {
        let changes: [@Sendable (inout SwitchingAnswer) -> Void] = [
            { $0.accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }, { $0.accept = "" }, { $0.fields.removeFirst() },
            { $0.fields.removeLast() }, { $0.fields[0] = "Upgrade: h2c" },
            { $0.fields.append("Sec-WebSocket-Protocol: unasked") },
            { $0.fields.append("Sec-WebSocket-Extensions: permessage-deflate") },
        ]
        for change in changes {
            try await expect(.notWebSocket) { request, connection in
                var answer = SwitchingAnswer(to: request)
                change(&answer)
                await connection.send(answer.text)
            }
        }
    }

    @Test("what is no HTTP is no WebSocket, however long it is")
    func garbage() async throws {
        try await expect(.notWebSocket) { _, connection in await connection.send("SSH-2.0-OpenSSH\r\n\r\n") }
        try await expect(.notWebSocket) { _, connection in
            await connection.send("HTTP/1.1 101 Switching\r\nX: " + String(repeating: "x", count: 20 << 10))
        }
    }

    @Test("a refusal carries the server's words, bounded and without control characters")
    func refusal() async throws {
        try await expect(.refused(401, "a token is needed")) { _, connection in
            await connection.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 19\r\n\r\na token\u{7} is needed\n")
        }
        try await expect(.refused(503, "full")) { _, connection in
            await connection.send("HTTP/1.1 503 No\r\n\r\nfull")
            await connection.close()
        }
        try await expect(.refused(302, "")) { _, connection in
            await connection.send("HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\nContent-Length: 0\r\n\r\n")
        }
    }

    @Test("an endless refusal is bounded in bytes and time")
    func endlessRefusal() async throws {
        await #expect(throws: Failure.self) {
            try await connect(options: .init(timeout: .milliseconds(300))) { _, connection in
                await connection.send("HTTP/1.1 500 No\r\n\r\n" + String(repeating: "x", count: 100_000))
            }
        }
    }

    @Test("a server that says nothing is a timeout; one that hangs up is unreachable")
    func silence() async throws {
        try await expect(.timedOut, options: .init(timeout: .milliseconds(200))) { _, _ in }
        let early = Failure.unreachable("the connection ended during the handshake")
        try await expect(early) { _, connection in await connection.close() }
        try await expect(early) { request, connection in
            await connection.send(String(SwitchingAnswer(to: request).text.dropLast(1)))
            await connection.close()
        }
    }

    @Test("nobody listens: the system's own reason")
    func nobody() async throws {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/")
        await listener.stop()
        await #expect(throws: ConnectError.unreachable(url, reason: "connection refused")) {
            try await MessageStream.connect(to: url, on: MultiThreadedEventLoopGroup.singleton)
        }
    }

    @Test("who gives up does not wait for a server that says nothing, and what opens after all is closed")
    func cancelled() async throws {
        let listener = try await RawListener.start()
        let url = WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/")
        let attempt = Task {
            try await MessageStream.connect(
                to: url, options: .init(timeout: .seconds(60)), on: MultiThreadedEventLoopGroup.singleton)
        }
        let peer = RawPeer(try await listener.next(), isClient: false)
        let request = try await peer.readHead()
        attempt.cancel()
        await #expect(throws: CancellationError.self) { try await attempt.value }
        await peer.connection.send(SwitchingAnswer(to: request).text)
        try await peer.connection.received.wait("the end of the connection") { $1 }
        await listener.stop()
    }

    @Test("a token does not go to another machine in the clear, nor a line break into a request")
    func refusedBeforeConnecting() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let far = WebSocketURL(host: "192.0.2.1", port: 1, path: "/")
        await #expect(throws: ConnectError.tokenInTheClear(far)) {
            try await WebSocketClient.connect(to: far, options: .init(token: Token("x")), on: loop) {
                EchoEndpoint(log: EndpointLog())
            }.get()
        }
        for (host, path) in [("127.0.0.1", "/a\r\nX: y"), ("127.0.0.1\r\nX: y", "/"), ("127.0.0.1", "a b")] {
            let url = WebSocketURL(host: host, port: 1, path: path)
            await #expect(throws: ConnectError.unreachable(url, reason: "not a valid address")) {
                try await WebSocketClient.connect(to: url, on: loop) { EchoEndpoint(log: EndpointLog()) }.get()
            }
        }
    }
}

extension Result where Failure == any Error {
    /// What an async body returns or throws.
    fileprivate init(_ body: () async throws -> Success) async {
        do {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
