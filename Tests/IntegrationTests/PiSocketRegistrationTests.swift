import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// An agent and the hypivisors that come and go.
@Suite("pi-socket and its registration") struct PiSocketRegistrationTests {
    /// The next request that is wanted; others are passed over.
    private func next(
        _ what: String, of requests: AsyncStream<RegistryRequest>,
        where matches: @escaping @Sendable (RegistryRequest) -> Bool
    ) async throws -> RegistryRequest {
        try await within(.seconds(30), what) {
            for await request in requests where matches(request) { return request }
            throw DeadlinePassed("the requests ended before \(what)")
        }
    }

    @Test("an agent whose hypivisor is away, comes, restarts and goes is the same in its list each time")
    func comesAndGoes() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (requests, sink) = AsyncStream.makeStream(of: RegistryRequest.self)
        let registry = try await FakeRegistry.start { request, _ in
            sink.yield(request)
            return .success(["status": "registered"])
        }
        registry.setAway(true)
        let agent = try await fixture.startAgent(
            ["--hypivisor", registry.url], environment: ["PI_SOCKET_RECONNECT_MS": "20"])
        // The agent is there without it, and goes on trying.
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        try await viewer.wait("init_state") { !$0.all.isEmpty }
        try await within(.seconds(30), "three attempts") {
            for await _ in registry.refusals.prefix(3) {}
        }
        registry.setAway(false)
        let first = try await next("registered", of: requests) { $0.method == "register" }
        #expect(first.params["id"]?.string == agent.id)

        registry.dropConnections()
        let second = try await next("registered after a loss", of: requests) { $0.method == "register" }
        registry.setAway(true)
        registry.restart(with: [])
        viewer.send("hello")
        _ = try await viewer.frame("a run while it is away") { $0["type"] == "agent_settled" }
        try await within(.seconds(30), "another attempt") {
            for await _ in registry.refusals.prefix(1) {}
        }
        registry.setAway(false)
        let third = try await next("registered with its successor", of: requests) { $0.method == "register" }
        for key in ["id", "instance", "port", "pid", "session_id"] {
            #expect(first.params[key] != nil)
            #expect(second.params[key] == first.params[key] && third.params[key] == first.params[key], "\(key)")
        }
        #expect(viewer.frames.closure == nil)
        // Its own end is said.
        kill(agent.process.pid, SIGTERM)
        let last = try await next("deregistered", of: requests) { $0.method == "deregister" }
        #expect(last.params["id"]?.string == agent.id)
        #expect(try await agent.process.waitForExit() == .status(0))
    }

    @Test("what changes is said in at most four updates a second, and the last says how it is") func updates()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (requests, sink) = AsyncStream.makeStream(of: RegistryRequest.self)
        let registry = try await FakeRegistry.start { request, _ in
            sink.yield(request)
            return .success(["status": "updated"])
        }
        let agent = try await fixture.startAgent(["--hypivisor", registry.url])
        _ = try await next("registered", of: requests) { $0.method == "register" }
        let viewer = try await Viewer(agent.url, token: try fixture.token(), hello: [:])
        let start = ContinuousClock.now
        let before = registry.requests.count
        for number in 1...200 {
            let seen = viewer.frames.all.count
            viewer.command(["id": .int(number), "type": "set_session_name", "name": .string("name \(number)")])
            _ = try await viewer.frame("an answer", from: seen) { $0["payload"]?["id"]?.int == number }
        }
        _ = try await next("the last name", of: requests) {
            $0.method == "update" && $0.params["name"] == "name 200"
        }
        let updates = registry.requests.dropFirst(before).filter { $0.method == "update" }
        #expect(updates.allSatisfy { $0.params["id"]?.string == agent.id })
        // Four may come at once, and no five within a second, however slow the machine is.
        let elapsed: Duration = ContinuousClock.now - start
        let least = Duration.seconds((updates.count - 1) / 4)
        #expect(least <= elapsed, "\(updates.count) updates")
    }

    private static func lists(_ frame: JSON, _ id: String) -> Bool {
        let nodes: [JSON] = (frame["nodes"]?.array ?? []) + [frame["node"] ?? .null]
        return nodes.contains { $0["id"]?.string == id }
    }

    @Test("a hypivisor asks the agent to end: it ends its turn, or does not wait where it is forced to")
    func stopAgent() async throws {
        for isForced in [false, true] {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let (_, url) = try await fixture.startHypivisor()
            let agent = try await fixture.startAgent(["--pi", "pi-demo --rate 400"])
            let person = try await Viewer(url, token: try fixture.token())
            _ = try await person.frame("the agent in the list") { Self.lists($0, agent.id) }
            let viewer = try await Viewer(agent.url, token: try fixture.token())
            let (prompt, sign) = isForced ? ("!sleep 1000", "tool_execution_start") : ("/long 600", "message_update")
            viewer.send(prompt)
            _ = try await viewer.frame("a run") { $0["type"]?.string == sign }
            person.send([
                "id": 1, "method": "stop_agent", "params": ["id": .string(agent.id), "force": .bool(isForced)],
            ])
            let answer = try await person.frame("an answer") { $0["id"] == 1 }
            #expect(answer["result"]?["status"] == "stopping")
            #expect(try await agent.process.waitForExit() == .status(0))
            let hasSettled = viewer.frames.json().contains { $0["type"] == "agent_settled" }
            #expect(hasSettled != isForced)
            _ = try await person.frame("the agent is gone") {
                $0["event"] == "node_removed" && $0["id"]?.string == agent.id
            }
            // What is left is the hypivisor.
            #expect(Fixture.processes(withHome: fixture.home).count == 1)
        }
    }

    @Test(
        "a listed agent is reached wherever it and its hypivisor listen on this machine",
        arguments: [
            ("::1", "127.0.0.1", true), ("127.0.0.1", "::1", true), ("127.0.0.1", "127.0.0.2", true),
            ("127.0.0.1", "127.0.0.1", false), ("127.0.0.2", "localhost", false), ("::1", "::1", false),
        ])
    func addresses(_ registryHost: String, _ agentHost: String, _ isTunnel: Bool) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor(["--port", "0", "--host", registryHost])
        let agent = try await fixture.startAgent(["--host", agentHost])
        let listed = try await fixture.run(
            "hypi-ls", ["--json", "--wait", "ready", "--timeout", "20", agent.id])
        #expect(listed.exit == .status(0), "\(listed.errors)")
        #expect(try JSON(parsing: listed.output)["tunnel"]?.bool == (isTunnel ? true : nil), "\(listed.output)")
        let asked = try await fixture.run("hypi-attach", ["-p", "hello", agent.id])
        #expect(asked.exit == .status(0), "\(asked.errors)")
    }

    @Test("viewers that come by tunnel are viewers like others, and count in --max-clients") func tunnels() async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor()
        // With another state folder it is not announced to the agent, which has to take it for far away.
        let agent = try await fixture.startAgent(
            ["--hypivisor", url.description, "--max-clients", "2"],
            environment: ["XDG_STATE_HOME": fixture.home + "/elsewhere"])
        let token = try fixture.token()
        let person = try await Viewer(url, token: token)
        _ = try await person.frame("the agent in the list") {
            ($0["node"] ?? $0["nodes"]?[0])?["tunnel"] == true
        }
        let relayed = url.with(path: "/ws/agent/\(agent.id)")
        let far = try await Viewer(relayed, token: token, hello: [:], subprotocols: ["pi-server.v1"])
        _ = try await far.frame("welcome") { $0["type"] == "welcome" }
        let near = try await Viewer(agent.url, token: token)
        _ = try await near.frame("init_state") { $0["type"] == "init_state" }
        far.command(["type": "prompt", "message": "from far away"])
        let heard = try await near.frame("the prompt") {
            $0["type"] == "message_end" && $0["message"]?["role"] == "user"
        }
        #expect(heard.text.contains("from far away"))
        _ = try await far.frame("the end of the run") { $0["payload"]?["type"] == "agent_settled" }
        _ = try await person.frame("two viewers") { $0["node"]?["clients"] == 2 }

        let tooMany = try await Viewer(relayed, token: token)
        try await tooMany.wait("it is turned away") { $0.closure != nil }
        #expect(tooMany.frames.closure?.code == .tryAgainLater)
        #expect(tooMany.frames.closure?.reason == "too many viewers")
        await #expect(throws: ConnectError.self) { try await Viewer(agent.url, token: token) }

        let before = person.frames.all.count
        await near.close()
        _ = try await person.frame("one viewer", from: before) { $0["node"]?["clients"] == 1 }
        let again = try await Viewer(relayed, token: token)
        _ = try await again.frame("init_state") { $0["type"] == "init_state" }
    }
}
