import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@testable import HypivisorCore

/// Viewers and agents through `/ws/agent/<id>`: nothing of what they say to each other changes on the way.
@Suite("Relay")
struct RelayTests {
    /// Runs `body` with an agent that listens and is registered as `a`.
    private func withAgent(
        _ more: JSONObject = ["instance": "i"],
        _ body: (TestRegistry, FakeAgent, RegistryPeer) async throws -> Void
    ) async throws {
        try await TestRegistry.run { registry in
            let agent = try await FakeAgent.start(token: registry.token)
            let peer = try await registry.peer(query: "role=agent")
            _ = try await peer.result("register", RegistryPeer.node("a", port: agent.server.port, more))
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(registry, agent, peer))
            } catch {
                outcome = .failure(error)
            }
            await agent.stop()
            try outcome.get()
        }
    }

    private func join(
        _ registry: TestRegistry, _ agent: FakeAgent, subprotocols: [String] = [], query: String? = nil
    ) async throws -> (viewer: FramePeer.Handle, agent: FramePeer.Handle) {
        let viewer = try await registry.viewer("a", subprotocols: subprotocols, query: query)
        let end = try #require(try await agent.connections.next("the relay at the agent"))
        return (viewer, end)
    }

    private static let frames: [Frame] = [
        Frame(opcode: .text, payload: ByteBuffer(string: "{\"type\":\"abort\"}")),
        Frame(opcode: .text, payload: ByteBuffer()),
        Frame(opcode: .binary, payload: ByteBuffer(bytes: (0...255).map { UInt8($0) })),
        Frame(isFinal: false, opcode: .text, payload: ByteBuffer(bytes: [0xC3])),
        Frame(opcode: .ping, payload: ByteBuffer(string: "between")),
        Frame(isFinal: false, opcode: .continuation, payload: ByteBuffer(bytes: [0xA9])),
        Frame(opcode: .continuation, payload: ByteBuffer()),
        Frame(opcode: .ping),
        Frame(opcode: .pong, payload: ByteBuffer(string: "unasked")),
        Frame(opcode: .text, payload: ByteBuffer(string: String(repeating: "x", count: 70_000))),
        Frame(opcode: .text, payload: ByteBuffer(string: "\u{2028}\u{0}🙂")),
    ]

    @Test("Every kind of frame passes unchanged and in order, fragments, pings and pongs too, both ways")
    func unchanged() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            for frame in Self.frames {
                viewer.send(frame)
                end.send(frame)
            }
            for frame in Self.frames {
                #expect(try await end.frame() == frame)
                #expect(try await viewer.frame() == frame)
            }
        }
    }

    @Test(
        "Frames that come in one read arrive one by one and in order, and the close behind them",
        arguments: [false, true])
    func floods(_ isViewer: Bool) async throws {
        let flood = (0..<500).map { Frame(opcode: .text, payload: ByteBuffer(string: "\($0)")) }
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            let (sender, receiver) = isViewer ? (viewer, end) : (end, viewer)
            // Once one has passed, both ends know of each other: a viewer that leaves before takes its words with it.
            sender.send(text: "first")
            #expect(try await receiver.text() == "first")
            sender.send(flood)
            sender.close(.goingAway, "enough")
            for frame in flood { #expect(try await receiver.frame() == frame) }
            #expect(try await receiver.closure() == Closure(code: .goingAway, reason: "enough"))
        }
    }

    @Test("What a viewer sends before the agent is reached arrives")
    func early() async throws {
        try await withAgent { registry, agent, _ in
            let viewer = try await registry.viewer("a")
            viewer.send(text: "first")
            viewer.send(text: "second")
            let end = try #require(try await agent.connections.next())
            #expect(try await end.text() == "first")
            #expect(try await end.text() == "second")
        }
    }

    @Test(
        "A close code and its reason pass unchanged, from either side",
        arguments: [
            CloseCode(rawValue: 1000), CloseCode(rawValue: 1001), CloseCode(rawValue: 1013), CloseCode(rawValue: 4321),
        ])
    func closes(_ code: CloseCode) async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            end.send(text: "last words")
            end.close(code, "bye ✓")
            #expect(try await viewer.text() == "last words")
            #expect(try await viewer.closure() == Closure(code: code, reason: "bye ✓"))
            let (second, other) = try await join(registry, agent)
            second.close(code, "bye ✓")
            #expect(try await other.closure() == Closure(code: code, reason: "bye ✓"))
        }
    }

    @Test("A close without a code passes as one")
    func closesWithoutCode() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            end.close(.noStatus)
            #expect(try await viewer.closure().code == .noStatus)
        }
    }

    @Test("A lost agent is told to the viewer as 1014, a lost viewer to the agent as 1001")
    func lost() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            // An end that is dropped before hypivisor has read its handshake is an agent that cannot be reached.
            viewer.send(text: "there?")
            #expect(try await end.text() == "there?")
            end.drop()
            let closure = try await viewer.closure()
            #expect(closure.code == .badGateway)
            let (second, other) = try await join(registry, agent)
            second.drop()
            #expect(try await other.closure().code == .goingAway)
        }
    }

    @Test("A frame that RFC 6455 forbids ends the relay with 1002 on both sides")
    func violation() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            viewer.send(Frame(opcode: .continuation, payload: ByteBuffer(string: "of nothing")))
            #expect(try await viewer.closure().code == .protocolError)
            #expect(try await end.closure().code == .protocolError)
        }
    }

    @Test("The subprotocol and the query pass to the agent; the token goes as a header, and the viewer's stays here")
    func handshake() async throws {
        try await withAgent { registry, agent, _ in
            let query = "x=1&token=\(registry.token.secret)&y=%20"
            _ = try await join(registry, agent, subprotocols: ["other", "pi-server.v1"], query: query)
            let request = try #require(try await agent.requests.next())
            #expect(request.subprotocols == ["pi-server.v1"])
            #expect(request.query == "x=1&y=%20")
            #expect(request.authorization == "Bearer \(registry.token.secret)")
            _ = try await join(registry, agent)
            let plain = try #require(try await agent.requests.next())
            #expect(plain.subprotocols.isEmpty)
            #expect(plain.query == nil)
        }
    }

    @Test("A version 1 agent finds the token in the query, where it looks for it")
    func version1Token() async throws {
        try await withAgent([:]) { registry, agent, _ in
            _ = try await join(registry, agent, query: "x=1")
            let request = try #require(try await agent.requests.next())
            #expect(request.query == "x=1&token=\(registry.token.secret)")
        }
    }

    @Test("The id in the path is percent-decoded")
    func decodedID() async throws {
        try await withAgent { registry, agent, peer in
            let odd = RegistryPeer.node("a b/ü%", port: agent.server.port, ["instance": "i"])
            _ = try await peer.result("register", odd)
            let viewer = try await registry.viewer(PercentCoding.encode("a b/ü%"))
            let end = try #require(try await agent.connections.next())
            end.send(text: "here")
            #expect(try await viewer.text() == "here")
        }
    }

    // MARK: Long frames

    /// A frame in three pieces; the mask of each has to be turned to where the piece stands.
    private static let pieces: [Frame] = {
        let text = String(repeating: "0123456789abcdef🙂", count: 5000)
        let payload = ByteBuffer(string: text)
        return [0..<20_001, 20_001..<50_002, 50_002..<payload.readableBytes].map { range in
            var frame = Frame(opcode: .text)
            frame.payload = payload.getSlice(at: range.lowerBound, length: range.count) ?? ByteBuffer()
            frame.part = .init(offset: range.lowerBound, frameLength: payload.readableBytes)
            return frame
        }
    }()

    private static let long = pieces.reduce(into: Frame(opcode: .text)) { $0.payload.writeImmutableBuffer($1.payload) }

    @Test("A long frame is passed on as it comes, before its end is there, and is one frame for who reads it")
    func longFrames() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            let watcher = try await registry.viewer("a", receivesParts: true)
            let watched = try #require(try await agent.connections.next("the relay at the agent"))
            watched.send(Self.pieces[0])
            var received = 0
            while received < Self.pieces[0].payload.readableBytes {
                let piece = try await watcher.frame()
                #expect(piece.part?.offset == received)
                #expect(piece.part?.frameLength == Self.long.payload.readableBytes)
                received += piece.payload.readableBytes
            }
            for piece in Self.pieces {
                viewer.send(piece)
                end.send(piece)
            }
            viewer.send(text: "behind")
            #expect(try await end.frame() == Self.long)
            #expect(try await end.text() == "behind")
            #expect(try await viewer.frame() == Self.long)
            end.close(.normal, "whole")
            #expect(try await viewer.closure() == Closure(code: .normal, reason: "whole"))
        }
    }

    @Test(
        "An agent that is lost in the middle of a frame ends the relay without a close frame that would be part of it")
    func lostInsideFrame() async throws {
        try await withAgent { registry, agent, _ in
            let viewer = try await registry.viewer("a", receivesParts: true)
            let end = try #require(try await agent.connections.next("the relay at the agent"))
            end.send(Self.pieces[0])
            #expect(try await viewer.frame().part?.offset == 0)
            end.drop()
            #expect(try await viewer.closure().code == .abnormal)
        }
    }

    // MARK: Refusals

    private func refusal(_ viewer: FramePeer.Handle) async throws -> (JSON, Closure) {
        let frame = try await viewer.frame()
        return (try JSON(parsing: frame.payload), try await viewer.closure())
    }

    @Test(
        "An unknown agent, or an id that cannot be decoded, is answered with a frame and 1008", arguments: ["x", "%zz"])
    func unknown(_ id: String) async throws {
        try await TestRegistry.run { registry in
            let (frame, closure) = try await refusal(try await registry.viewer(id))
            #expect(frame == ["error": "Agent not found", "code": "not_found"])
            #expect(closure.code == .policyViolation)
        }
    }

    @Test("An agent that is about to come back after a restart is waited for")
    func returning() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.spawning.rejoinTime = .hours(1) }) { registry in
            let (viewer, other) = (try await registry.viewer("a"), try await registry.viewer("a"))
            viewer.send(text: "early")
            let agent = try await FakeAgent.start(token: registry.token)
            let peer = try await registry.peer(query: "role=agent")
            _ = try await peer.result("register", RegistryPeer.node("a", port: agent.server.port, ["instance": "i"]))
            for _ in 0..<2 {
                let end = try #require(try await agent.connections.next("a relay at the agent"))
                end.send(text: "here")
            }
            #expect(try await viewer.text() == "here")
            #expect(try await other.text() == "here")
            await agent.stop()
        }
    }

    @Test("An agent that does not come back after a restart is refused in the end")
    func notReturning() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.spawning.rejoinTime = .milliseconds(500) }) {
            registry in
            let (frame, closure) = try await refusal(try await registry.viewer("x"))
            #expect(frame == ["error": "Agent not found", "code": "not_found"])
            #expect(closure.code == .policyViolation)
        }
    }

    @Test("An offline agent is answered with a frame and 1008")
    func offline() async throws {
        try await withAgent { registry, _, peer in
            let watcher = try await registry.peer()
            await peer.close()
            _ = try await watcher.event("node_offline")
            let (frame, closure) = try await refusal(try await registry.viewer("a"))
            #expect(frame == ["error": "Agent is offline", "code": "offline"])
            #expect(closure.code == .policyViolation)
        }
    }

    @Test("An agent that cannot be reached is answered with the reason and 1008, and never with the token")
    func unreachable() async throws {
        try await TestRegistry.run { registry in
            // Bound and not listened on: nobody else gets the port meanwhile.
            let held = try HeldPort()
            defer { withExtendedLifetime(held) {} }
            let peer = try await registry.peer(query: "role=agent")
            _ = try await peer.result("register", RegistryPeer.node("a", port: held.port))
            let (frame, closure) = try await refusal(try await registry.viewer("a"))
            #expect(frame == ["error": "Cannot reach agent: connection refused", "code": "unreachable"])
            #expect(closure.code == .policyViolation)
        }
    }

    @Test("An agent that refuses the upgrade is answered with its words")
    func refusedByAgent() async throws {
        try await TestRegistry.run { registry in
            let agent = try await FakeAgent.start(token: Token.random())
            let peer = try await registry.peer()
            _ = try await peer.result("register", RegistryPeer.node("a", port: agent.server.port))
            let (frame, _) = try await refusal(try await registry.viewer("a"))
            #expect(frame["code"] == "unreachable")
            #expect(frame["error"]?.string?.hasPrefix("Cannot reach agent: it answered 401") == true)
            await agent.stop()
        }
    }

    @Test(
        "Without an id the answer is 400, elsewhere 404, and /healthz is 200 for everybody",
        arguments: [
            ("/ws/agent/", 400), ("/ws/agent", 400), ("/", 404), ("/wsx", 404), ("/ws/tunnel/", 404), ("/healthz", 200),
        ])
    func paths(_ path: String, _ status: Int) async throws {
        try await TestRegistry.run { registry in
            let error = await #expect(throws: ConnectError.self) {
                _ = try await FramePeer.dial(registry.url.with(path: path), token: nil)
            }
            guard case .refused(_, status, let words) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(status != 200 || words.hasPrefix("ok"))
        }
    }

    // MARK: Backpressure

    @Test("A viewer that stops reading makes the agent's outbox fill, not our memory; then it gets every byte")
    func backpressure() async throws {
        try await withAgent { registry, agent, _ in
            let (viewer, end) = try await join(registry, agent)
            viewer.pauseReading()
            // Written while the agent's socket takes them: what fits into the kernel's buffers and the relay's bounds.
            let payload = ByteBuffer(bytes: [UInt8](repeating: 0x78, count: 64 << 10))
            let count = try await end.fill(with: payload, atMost: 2000)
            #expect(count < 2000, "125 MiB went somewhere")
            viewer.resumeReading()
            for _ in 0..<count { #expect(try await viewer.frame().payload.readableBytes == payload.readableBytes) }
            end.send(text: "end")
            #expect(try await viewer.text() == "end")
        }
    }

    @Test("One viewer that does not read holds up no other viewer of the same agent")
    func independent() async throws {
        try await withAgent { registry, agent, _ in
            let (slow, slowEnd) = try await join(registry, agent)
            let (quick, quickEnd) = try await join(registry, agent)
            slow.pauseReading()
            let payload = ByteBuffer(bytes: [UInt8](repeating: 0x78, count: 1 << 20))
            for _ in 0..<64 { slowEnd.send(Frame(opcode: .binary, payload: payload)) }
            for index in 0..<100 {
                quickEnd.send(text: "\(index)")
                #expect(try await quick.text() == "\(index)")
            }
            slow.drop()
            #expect(try await slowEnd.closure().code == .goingAway)
        }
    }

    // MARK: Heartbeat

    @Test("The relay's own pings are answered to it alone, and a viewer that does not answer is cut off")
    func heartbeat() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.heartbeat = .seconds(1) }) { registry in
            let agent = try await FakeAgent.start(token: registry.token)
            let peer = try await registry.peer(query: "role=agent")
            let node = RegistryPeer.node("a", port: agent.server.port, ["instance": "i"])
            _ = try await peer.result("register", node)
            let (viewer, end) = try await join(registry, agent)
            for _ in 0..<2 {
                let ping = try await viewer.frame()
                #expect(ping.opcode == .ping)
                viewer.send(Frame(opcode: .pong, payload: ping.payload))
                end.send(Frame(opcode: .pong, payload: try await end.frame().payload))
            }
            #expect(
                !viewer.events.all.contains { if case .frame(let frame) = $0 { frame.opcode == .pong } else { false } })
            // The agent goes on answering, the viewer is silent.
            let answering = Task {
                while let frame = try? await end.frame() {
                    if frame.opcode == .ping { end.send(Frame(opcode: .pong, payload: frame.payload)) }
                }
            }
            #expect(try await viewer.closure().code == .abnormal)
            await answering.value
            await agent.stop()
        }
    }

    // MARK: Tunnels

    private func tunnelled(
        _ body: (TestRegistry, RegistryPeer) async throws -> Void
    ) async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer(query: "role=agent")
            _ = try await peer.result("register", RegistryPeer.node("a", port: 0, ["tunnel": true, "instance": "i"]))
            try await body(registry, peer)
        }
    }

    private func openTunnel(_ registry: TestRegistry, _ peer: RegistryPeer) async throws -> FramePeer.Handle {
        let event = try await peer.event("open_tunnel")
        let id = try #require(event["tunnel"]?.string)
        #expect(event.object?.members.count == 2)
        return try await FramePeer.dial(registry.url.with(path: "/ws/tunnel/\(id)"), token: registry.token)
    }

    @Test("An agent without a reachable port serves each viewer through a tunnel of its own")
    func tunnels() async throws {
        try await tunnelled { registry, peer in
            for round in 0..<8 {
                let viewer = try await registry.viewer("a")
                viewer.send(text: "hello \(round)")
                let end = try await openTunnel(registry, peer)
                #expect(try await end.text() == "hello \(round)")
                for frame in Self.frames {
                    viewer.send(frame)
                    end.send(frame)
                }
                for frame in Self.frames {
                    #expect(try await end.frame() == frame)
                    #expect(try await viewer.frame() == frame)
                }
                end.close(CloseCode(rawValue: 4001), "done")
                #expect(try await viewer.closure() == Closure(code: CloseCode(rawValue: 4001), reason: "done"))
            }
        }
    }

    @Test("A viewer that does not read fills the tunnel's outbox, across loops, and then gets every byte")
    func tunnelBackpressure() async throws {
        try await tunnelled { registry, peer in
            for _ in 0..<3 {
                let viewer = try await registry.viewer("a")
                let end = try await openTunnel(registry, peer)
                viewer.pauseReading()
                let payload = ByteBuffer(bytes: [UInt8](repeating: 0x78, count: 64 << 10))
                let count = try await end.fill(with: payload, atMost: 2000)
                #expect(count < 2000, "125 MiB went somewhere")
                viewer.resumeReading()
                for _ in 0..<count { #expect(try await viewer.frame().payload.readableBytes == payload.readableBytes) }
            }
        }
    }

    @Test("A tunnel nobody waits for, or that was used, is closed with 1008")
    func unknownTunnel() async throws {
        try await tunnelled { registry, peer in
            let stray = try await FramePeer.dial(registry.url.with(path: "/ws/tunnel/abc"), token: registry.token)
            #expect(try await stray.closure().code == .policyViolation)
            let viewer = try await registry.viewer("a")
            let id = try #require(try await peer.event("open_tunnel")["tunnel"]?.string)
            let url = registry.url.with(path: "/ws/tunnel/\(id)")
            let end = try await FramePeer.dial(url, token: registry.token)
            end.send(text: "joined")
            #expect(try await viewer.text() == "joined")
            let second = try await FramePeer.dial(url, token: registry.token)
            #expect(try await second.closure().code == .policyViolation)
        }
    }

    @Test("A viewer whose agent goes before it opened the tunnel is answered at once")
    func agentGoes() async throws {
        try await tunnelled { registry, peer in
            let viewer = try await registry.viewer("a")
            _ = try await peer.event("open_tunnel")
            await peer.close()
            let (frame, closure) = try await refusal(viewer)
            #expect(frame["code"] == "unreachable")
            #expect(closure.code == .policyViolation)
        }
    }

    @Test("A viewer that has gone when the tunnel opens is told to the agent")
    func viewerGoes() async throws {
        try await tunnelled { registry, peer in
            let viewer = try await registry.viewer("a")
            let id = try #require(try await peer.event("open_tunnel")["tunnel"]?.string)
            viewer.close(.normal, "changed my mind")
            #expect(try await viewer.closure().code == .normal)
            let end = try await FramePeer.dial(registry.url.with(path: "/ws/tunnel/\(id)"), token: registry.token)
            #expect(try await end.closure() == Closure(code: .normal, reason: "changed my mind"))
        }
    }
}
