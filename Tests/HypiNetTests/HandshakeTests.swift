import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("Handshake of the server, over sockets")
struct HandshakeTests {
    /// An HTTP answer, cut into its parts.
    private struct Answer {
        var status: Int
        var fields: [String: String]
        var body: String

        init(_ bytes: [UInt8]) throws {
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n") else { throw DeadlinePassed("no answer: \(text)") }
            let lines = text[..<end.lowerBound].split(separator: "\r\n")
            let words = (lines.first ?? "").split(separator: " ")
            guard words.count >= 2, words[0] == "HTTP/1.1", let status = Int(words[1]) else {
                throw DeadlinePassed("no status line: \(text)")
            }
            self.status = status
            fields = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                fields[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].dropFirst()) : ""
            }
            body = String(text[end.upperBound...])
        }
    }

    private func answer(_ request: String, from server: EchoServer) async throws -> Answer {
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(request)
        return try Answer(try await connection.untilEnd())
    }

    /// Asks and expects a refusal: small, correct HTTP that says nothing of the token.
    private func expectRefusal(
        _ status: Int, _ request: String, from server: EchoServer, location: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await answer(request, from: server)
        #expect(answer.status == status, "\(request)", sourceLocation: location)
        let length = answer.fields["content-length"].flatMap { Int($0) }
        #expect(length == answer.body.utf8.count, sourceLocation: location)
        #expect(answer.body.hasSuffix("\n") && answer.body.utf8.count < 200, sourceLocation: location)
        #expect(answer.fields["connection"]?.contains("close") == true, sourceLocation: location)
        #expect(!answer.body.contains("secret"), sourceLocation: location)
        #expect(!answer.fields.keys.contains { $0.hasPrefix("access-control") }, sourceLocation: location)
        #expect(server.log.events.isEmpty, sourceLocation: location)
    }

    @Test("a right request becomes a WebSocket, with the key answered as RFC 6455 section 1.3 computes it")
    func accepted() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(server.request())
        let head = try await RawPeer(connection, isClient: true).readHead()
        #expect(head.hasPrefix("HTTP/1.1 101 "))
        let lines = head.lowercased()
        #expect(lines.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"))
        #expect(lines.contains("\r\nupgrade: websocket\r\n") && lines.contains("\r\nconnection: upgrade\r\n"))
        #expect(!lines.contains("content-length") && !lines.contains("transfer-encoding"))
        #expect(!lines.contains("sec-websocket-protocol") && !lines.contains("sec-websocket-extensions"))
        await connection.close()
        await server.stop()
    }

    @Test("a subprotocol is chosen among those offered; an extension never is")
    func subprotocol() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        let extra = ["Sec-WebSocket-Protocol: other, echo.v1", "Sec-WebSocket-Extensions: permessage-deflate"]
        await connection.send(server.request(adding: extra))
        let head = try await RawPeer(connection, isClient: true).readHead().lowercased()
        #expect(head.contains("\r\nsec-websocket-protocol: echo.v1\r\n") && !head.contains("extensions"))
        await connection.close()
        await server.stop()
    }

    @Test("a request that arrives byte by byte, with frames behind it, is a WebSocket all the same")
    func byteByByte() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        let peer = RawPeer(connection, isClient: true)
        await connection.sendByteByByte(Array(server.request().utf8) + peer.frame(0x81, Array("early".utf8)))
        #expect(try await peer.frames(1).map(\.text) == ["early"])
        await connection.close()
        await server.stop()
    }

    @Test("frames in the packet of the request reach the endpoint, in order, though it has a greeting to write")
    func earlyFrames() async throws {
        let server = try await EchoServer.start(greeting: "hello")
        let connection = try await RawConnection.connect(to: server.port)
        let peer = RawPeer(connection, isClient: true)
        let frames = ["a", "b", "c"].flatMap { peer.frame(0x81, Array($0.utf8)) }
        await connection.send(Array(server.request().utf8) + frames)
        #expect(try await peer.frames(4).map(\.text) == ["hello", "a", "b", "c"])
        await connection.close()
        await server.stop()
    }

    @Test("a second HTTP request behind the upgrade is taken for frames, and closed with 1002")
    func pipelinedRequest() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        let peer = RawPeer(connection, isClient: true)
        await connection.send(server.request() + server.request())
        #expect(try await peer.framesUntilEnd().map(\.closeCode) == [1002])
        #expect(try await server.log.closure().code == .protocolError)
        await server.stop()
    }

    @Test("the token may stand in the query")
    func queryToken() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        let line = "GET /ws?x=1&token=0123456789abcdef%2dsecret HTTP/1.1"
        await connection.send(server.request(line, token: nil))
        #expect(try await RawPeer(connection, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
        await connection.close()
        await server.stop()
    }

    @Test(
        "400: what is no HTTP, or no handshake that RFC 6455 section 4.2.1 allows",
        arguments: [
            (["Sec-WebSocket-Key"], [], "GET /ws HTTP/1.1"), (["Host"], [], "GET /ws HTTP/1.1"),
            (["Sec-WebSocket-Key"], ["Sec-WebSocket-Key: short"], "GET /ws HTTP/1.1"),
            (["Sec-WebSocket-Key"], ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!=="], "GET /ws HTTP/1.1"),
            ([], ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], "GET /ws HTTP/1.1"),
            ([], ["Host: evil.example"], "GET /ws HTTP/1.1"),
            ([], ["Authorization: Bearer other"], "GET /ws HTTP/1.1"),
            ([], ["Content-Length: 5"], "GET /ws HTTP/1.1"), ([], ["Transfer-Encoding: chunked"], "GET /ws HTTP/1.1"),
            ([], [], "GET /ws HTTP/1.0"), ([], [], "GET /ws HTTP/2.0"), ([], [], "GET /ws"),
            ([], [], "POST /ws HTTP/1.1"),
            ([], [], "hello"), ([], ["no colon"], "GET /ws HTTP/1.1"),
        ] as [([String], [String], String)])
    func badRequest(without: [String], extra: [String], line: String) async throws {
        let server = try await EchoServer.start()
        try await expectRefusal(400, server.request(line, without: without, adding: extra), from: server)
        await server.stop()
    }

    @Test("401: no token, a wrong one, one cut short, one of another scheme")
    func unauthorized() async throws {
        let server = try await EchoServer.start()
        try await expectRefusal(401, server.request(token: nil), from: server)
        try await expectRefusal(401, server.request(token: "wrong-secret"), from: server)
        try await expectRefusal(401, server.request(token: String(EchoServer.token.dropLast())), from: server)
        try await expectRefusal(
            401, server.request(without: ["Authorization"], adding: ["Authorization: Basic abc"]), from: server)
        try await expectRefusal(401, server.request("GET /ws?token= HTTP/1.1", token: nil), from: server)
        let answer = try await answer(server.request(token: nil), from: server)
        #expect(answer.fields["www-authenticate"] == "Bearer")
        await server.stop()
    }

    @Test("403: a browser's page from elsewhere, though it has the token; an allowed origin and our own page may")
    func origins() async throws {
        let server = try await EchoServer.start(origins: ["https://dash.example"])
        for origin in ["https://evil.example", "null", "", "http://127.0.0.1:1", "https://dash.example.evil"] {
            try await expectRefusal(403, server.request(adding: ["Origin: \(origin)"]), from: server)
        }
        let rebound = server.request(
            without: ["Host"],
            adding: ["Host: evil.example:\(server.port)", "Origin: http://evil.example:\(server.port)"])
        try await expectRefusal(403, rebound, from: server)
        for origin in ["https://dash.example", "http://127.0.0.1:\(server.port)"] {
            let connection = try await RawConnection.connect(to: server.port)
            await connection.send(server.request(adding: ["Origin: \(origin)"]))
            #expect(try await RawPeer(connection, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
            await connection.close()
        }
        await server.stop()
    }

    @Test("without a token the Host is checked on every request")
    func hostWithoutToken() async throws {
        let server = try await EchoServer.start(token: nil)
        let rebound = server.request(without: ["Host"], adding: ["Host: evil.example:\(server.port)"], token: nil)
        try await expectRefusal(403, rebound, from: server)
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(
            server.request(without: ["Host"], adding: ["Host: localhost:\(server.port)"], token: nil))
        #expect(try await RawPeer(connection, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
        await connection.close()
        await server.stop()
    }

    @Test("404: nothing is there; 426: a WebSocket is there, and says which version")
    func notFoundAndUpgradeRequired() async throws {
        let server = try await EchoServer.start()
        try await expectRefusal(404, server.request("GET /other HTTP/1.1"), from: server)
        try await expectRefusal(404, server.request("GET http://127.0.0.1/ws HTTP/1.1"), from: server)
        for without in [["Upgrade"], ["Connection"], ["Sec-WebSocket-Version"]] {
            try await expectRefusal(426, server.request(without: without), from: server)
        }
        let old = server.request(without: ["Sec-WebSocket-Version"], adding: ["Sec-WebSocket-Version: 8"])
        try await expectRefusal(426, old, from: server)
        let answer = try await answer(old, from: server)
        #expect(answer.fields["sec-websocket-version"] == "13" && answer.fields["upgrade"] == "websocket")
        await server.stop()
    }

    @Test("503: the server is full, and has room again when someone leaves")
    func full() async throws {
        let server = try await EchoServer.start(connectionLimit: 1)
        let peer = try await server.open()
        let refused = try await answer(server.request(), from: server)
        #expect(refused.status == 503 && refused.fields["retry-after"] == "60")
        await peer.send(0x88)
        _ = try await peer.framesUntilEnd()
        _ = try await server.log.closure()
        // The refused connection counts until the server has seen its end, which the client cannot see.
        try await within(.seconds(30), "room for one more") {
            while true {
                let connection = try await RawConnection.connect(to: server.port)
                await connection.send(server.request())
                let head = try await RawPeer(connection, isClient: true).readHead()
                await connection.close()
                if head.hasPrefix("HTTP/1.1 101 ") { return }
            }
        }
        await server.stop()
    }

    @Test("a head of 16 KiB is taken, a longer one is 400 before it is complete")
    func headLimit() async throws {
        let server = try await EchoServer.start()
        let empty = server.request(adding: ["X-Filler: "]).utf8.count
        let filler = String(repeating: "x", count: Limits.requestHeadBytes - empty)
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(server.request(adding: ["X-Filler: " + filler]))
        #expect(try await RawPeer(connection, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
        await connection.close()
        let endless = String(server.request().dropLast(2)) + "X-Filler: " + String(repeating: "x", count: 17 << 10)
        #expect(try await answer(endless, from: server).status == 400)
        await server.stop()
    }

    @Test("who does not finish the handshake in time is disconnected, who did is not")
    func deadline() async throws {
        let server = try await EchoServer.start(handshakeTimeout: .seconds(2))
        let peer = try await server.open()
        let silent = try await RawConnection.connect(to: server.port)
        let slow = try await RawConnection.connect(to: server.port)
        await slow.send("GET /ws HTTP/1.1\r\nHost: x\r\n")
        #expect(try await silent.untilEnd().isEmpty)
        #expect(try await slow.untilEnd().isEmpty)
        await peer.send(0x81, text: "still here")
        #expect(try await peer.frames(1).map(\.text) == ["still here"])
        await peer.connection.close()
        await server.stop()
    }

    @Test("a refused request's body is read away, so that the answer is not lost in a reset")
    func bodyBehindRefusal() async throws {
        let server = try await EchoServer.start()
        let connection = try await RawConnection.connect(to: server.port)
        let length = 4 << 20
        await connection.send(server.request("POST /ws HTTP/1.1", adding: ["Content-Length: \(length)"]))
        await connection.send([UInt8](repeating: 0x41, count: length))
        #expect(try Answer(try await connection.untilEnd()).status == 400)
        await server.stop()
    }

    @Test("HEAD is answered without a body; a plain answer needs no token and no Host")
    func plainAnswers() async throws {
        let server = try await EchoServer.start()
        let head = try await answer("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", from: server)
        #expect(head.status == 200 && head.body.isEmpty && head.fields["content-length"] == "3")
        let get = try await answer("GET /healthz HTTP/1.0\r\n\r\n", from: server)
        #expect(get.status == 200 && get.body == "ok\n")
        await server.stop()
    }

    @Test("a client that goes away in mid-handshake leaves nothing behind")
    func goneEarly() async throws {
        let server = try await EchoServer.start()
        let request = Array(server.request().utf8)
        for length in [0, 1, 20, request.count - 1, request.count] {
            let connection = try await RawConnection.connect(to: server.port)
            await connection.send(request[..<length])
            await connection.close()
        }
        let peer = try await server.open()
        await peer.connection.close()
        // What was opened is closed, whether or not the client was still there.
        try await within(.seconds(30), "every endpoint closed: \(server.log.events)") {
            var openings = 0
            var closings = 0
            repeat {
                _ = try await server.log.closure()
                openings = server.log.events.count { $0 == .opened }
                closings = server.log.events.count - openings
            } while closings < openings
        }
        await server.stop()
    }

    @Test("an address beyond this machine is not listened on without a token")
    func openWithoutToken() async throws {
        await #expect(throws: WebSocketServer.BindError.openWithoutToken(host: "0.0.0.0")) {
            try await EchoServer.start(token: nil, host: "0.0.0.0")
        }
    }

    @Test("an address beyond this machine is not listened on with a token that can be guessed")
    func shortToken() async throws {
        await #expect(throws: WebSocketServer.BindError.shortToken(host: "0.0.0.0")) {
            try await EchoServer.start(token: String(repeating: "x", count: 31), host: "0.0.0.0")
        }
        let server = try await EchoServer.start(token: String(repeating: "x", count: 32), host: "0.0.0.0")
        await server.stop()
    }

    @Test("over IPv6 loopback, the server is itself by address and name")
    func version6() async throws {
        let server: EchoServer
        do {
            server = try await EchoServer.start(host: "::1")
        } catch WebSocketServer.BindError.refused {
            // This machine has no IPv6.
            return
        }
        let connection = try await RawConnection.connect(to: server.port, host: "::1")
        let own = "[::1]:\(server.port)"
        await connection.send(server.request(without: ["Host"], adding: ["Host: \(own)", "Origin: http://\(own)"]))
        #expect(try await RawPeer(connection, isClient: true).readHead().hasPrefix("HTTP/1.1 101 "))
        await connection.close()
        await server.stop()
    }
}
