import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// What happens when one of the parts is gone in the middle of an answer.
@Suite("pi-socket and sudden deaths") struct PiSocketLifeTests {
    private let slow = "pi-demo --rate 400"

    /// Waits for something that no event tells: which processes there are.
    private func eventually(
        _ what: String, timeout: Duration = .seconds(15), _ holds: @escaping @Sendable () throws -> Bool
    ) async throws {
        try await within(timeout, what) {
            while try !holds() { try await Task.sleep(for: .milliseconds(20)) }
        }
    }

    /// The processes of a home by name.
    private static func names(_ fixture: Fixture) -> [String] {
        Fixture.processes(withHome: fixture.home).compactMap { pid in
            try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8).trimmingCharacters(in: .newlines)
        }.sorted()
    }

    private func pid(_ name: String, _ fixture: Fixture) throws -> pid_t {
        try #require(
            Fixture.processes(withHome: fixture.home).first { pid in
                (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) == name + "\n"
            })
    }

    @Test("pi killed in mid-tool: viewers stay and are told, the session goes on, its tools are ended")
    func killPi() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token(), hello: [:])
        viewer.command(["id": "a", "type": "prompt", "message": "remember me"])
        _ = try await viewer.frame("the end of a run") { $0["payload"]?["type"] == "agent_settled" }
        viewer.command(["id": "s", "type": "get_state"])
        let before = try await viewer.frame("the state") { $0["payload"]?["id"] == "s" }
        let file = try #require(before["payload"]?["data"]?["sessionFile"]?.string)
        viewer.command(["id": "b", "type": "prompt", "message": "!sleep 1000 & sleep 1001"])
        try await eventually("the tool runs") { Self.names(fixture).count { $0 == "sleep" } == 2 }

        kill(try pid("pi-demo", fixture), SIGKILL)
        let exit = try await viewer.frame("the end of pi") { $0["type"] == "agent_exit" }
        #expect(exit["signal"] == 9 && exit["restarting"] == true)
        try await eventually("nothing but the bridge and a new pi is left") {
            Self.names(fixture) == ["pi-demo", "pi-keeper", "pi-socket"]
        }
        viewer.command(["id": "t", "type": "get_state"])
        viewer.command(["id": "m", "type": "get_messages"])
        let after = try await viewer.frame("the state of the new pi") {
            $0["payload"]?["id"] == "t" && $0["payload"]?["success"] == true
        }
        #expect(after["payload"]?["data"]?["sessionFile"]?.string == file)
        let messages = try await viewer.frame("the conversation") { $0["payload"]?["id"] == "m" }
        #expect(messages["payload"]?["data"]?.text.contains("remember me") == true)
    }

    @Test("pi killed in mid-answer: viewers of both dialects are told, and begin anew with what pi has kept")
    func killPiInMidAnswer() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let token = try fixture.token()
        let viewport = try await Viewer(agent.url, token: token)
        let session = try await Viewer(
            agent.url, token: token, hello: ["stream": "delta"], subprotocols: ["pi-server.v1"])
        let first = try await session.frame("welcome") { $0["type"] == "welcome" }
        session.command(["type": "prompt", "message": "remember me"])
        _ = try await viewport.frame("the end of a run") { $0["type"] == "agent_settled" }
        let beforeLong = viewport.frames.all.count
        viewport.send("/long 4000")
        for viewer in [viewport, session] {
            _ = try await viewer.frame("an answer", from: beforeLong) { frame in
                let record = frame["payload"] ?? frame
                return record["assistantMessageEvent"]?["type"] == "text_delta"
            }
        }

        kill(try pid("pi-demo", fixture), SIGKILL)
        let welcome = try await session.frame("another welcome", from: 1) { $0["type"] == "welcome" }
        let told = session.frames.json().compactMap { $0["type"]?.string }.filter {
            !["event", "queue", "response"].contains($0)
        }
        #expect(told == ["welcome", "agent_exit", "agent_restarted", "welcome"])
        #expect(welcome["resumed"] == false && welcome["partial"] == nil && welcome["boot"] != first["boot"])
        let initState = try await viewport.frame("another snapshot", from: 1) { $0["type"] == "init_state" }
        let ours = viewport.frames.json().compactMap { $0["type"]?.string }.filter {
            ["init_state", "agent_exit", "agent_restarted"].contains($0)
        }
        #expect(ours == ["init_state", "agent_exit", "agent_restarted", "init_state"])

        session.command(["id": "m", "type": "get_messages"])
        let messages = try await session.frame("the conversation") { $0["payload"]?["id"] == "m" }
        let kept = try #require(messages["payload"]?["data"]?["messages"])
        #expect(kept.text.contains("remember me"))
        #expect(welcome["messages"] == kept && initState["messages"] == kept)
        // The stream goes on where the snapshot ends.
        session.command(["type": "prompt", "message": "and again"])
        _ = try await session.frame("another run", from: session.frames.all.count) {
            $0["payload"]?["type"] == "agent_settled"
        }
        let numbers = session.frames.json().drop { $0 != welcome }.compactMap { $0["seq"]?.int }
        #expect(numbers.first == welcome["currentSeq"]?.int.map { $0 + 1 })
    }

    @Test("pi-socket killed in mid-answer: pi ends by itself") func killBridge() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/long 4000")
        _ = try await viewer.frame("an answer") { $0["type"] == "message_update" }
        kill(agent.process.pid, SIGKILL)
        try await viewer.wait("the connection is lost") { $0.closure != nil }
        try await eventually("no process is left") { Self.names(fixture).isEmpty }
    }

    @Test("pi-socket killed in mid-tool: pi has the grace time, then it ends with its tools") func killBridgeInMidTool()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow, "--grace", "200ms"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("!trap '' TERM; sleep 1000 & setsid sleep 1001 & sleep 1002")
        try await eventually("the tool runs") { Self.names(fixture).count { $0 == "sleep" } == 3 }
        kill(agent.process.pid, SIGKILL)
        try await eventually("no process is left") { Self.names(fixture).isEmpty }
    }

    @Test("the keeper of pi killed in mid-tool: the bridge ends what it kept, and starts pi again")
    func killKeeper() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("!setsid sleep 1001 & sleep 1002")
        try await eventually("the tool runs") { Self.names(fixture).count { $0 == "sleep" } == 2 }
        let pi = try pid("pi-demo", fixture)
        kill(try pid("pi-keeper", fixture), SIGKILL)
        _ = try await viewer.frame("another snapshot", from: 1) { $0["type"] == "init_state" }
        #expect(Self.names(fixture) == ["pi-demo", "pi-keeper", "pi-socket"])
        #expect(try self.pid("pi-demo", fixture) != pi)
    }

    @Test("a viewer killed in mid-answer: the others get every word") func killViewer() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        try await viewer.wait("init_state") { !$0.all.isEmpty }
        let other = try fixture.start("hypi-attach", ["-p", "/long 1500", agent.url.description])
        _ = try await viewer.frame("an answer") { $0["type"] == "message_update" }
        kill(other.pid, SIGKILL)
        _ = try await viewer.frame("the end of the run") { $0["type"] == "agent_settled" }
        let end = try await viewer.frame("the answer") {
            $0["type"] == "message_end" && $0["message"]?["role"] == "assistant"
        }
        let text = viewer.frames.json().compactMap { frame -> String? in
            guard frame["assistantMessageEvent"]?["type"] == "text_delta" else { return nil }
            return frame["assistantMessageEvent"]?["delta"]?.string
        }.joined()
        #expect(end["message"]?["content"]?.array?.last?["text"]?.string == text)
    }

    @Test("the hypivisor killed in mid-answer: viewers notice nothing, and a new one lists the agent")
    func killHypivisor() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (first, url) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--pi", slow], environment: ["PI_SOCKET_RECONNECT_MS": "100"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        try await isListed(agent.id, url, fixture)
        viewer.send("/long 1500")
        _ = try await viewer.frame("an answer") { $0["type"] == "message_update" }
        kill(first.pid, SIGKILL)
        _ = try await first.waitForExit()
        let (second, again) = try await fixture.startHypivisor(["--port", "\(url.port)"])
        try await isListed(agent.id, again, fixture)
        _ = try await viewer.frame("the end of the run") { $0["type"] == "agent_settled" }
        #expect(viewer.frames.closure == nil)
        kill(second.pid, SIGTERM)
    }

    private func isListed(_ id: String, _ url: WebSocketURL, _ fixture: Fixture) async throws {
        let observer = try await Viewer(url, token: try fixture.token())
        _ = try await observer.frame("the agent in the roster") { frame in
            frame["node"]?["id"]?.string == id
                || frame["nodes"]?.array?.contains { $0["id"]?.string == id && $0["status"] == "active" } == true
        }
    }

    @Test("asked to stop in mid-answer, pi ends its turn and viewers read it to the end") func stop() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/long 600")
        _ = try await viewer.frame("an answer") { $0["type"] == "message_update" }
        kill(agent.process.pid, SIGTERM)
        try await viewer.wait("the end") { $0.closure != nil }
        #expect(viewer.frames.closure?.code == .goingAway)
        #expect(viewer.frames.json().contains { $0["type"] == "agent_settled" })
        #expect(try await agent.process.waitForExit() == .status(0))
        #expect(Self.names(fixture).isEmpty)
    }

    @Test("a turn that does not end within the grace time is ended, with its tools") func grace() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow, "--grace", "200ms"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("!trap '' TERM; sleep 1000 & sleep 1001; sleep 1002")
        try await eventually("the tool runs") { Self.names(fixture).count { $0 == "sleep" } == 2 }
        viewer.send("/stop")
        #expect(try await agent.process.waitForExit() == .status(0))
        #expect(Self.names(fixture).isEmpty)
    }

    @Test("after three crashes in a row the fourth is the end, with its reason") func crashes() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow])
        let viewer = try await Viewer(agent.url, token: try fixture.token(), hello: [:])
        for count in 1...4 {
            viewer.command(["id": .int(count), "type": "get_state"])
            _ = try await viewer.frame("an answer") {
                $0["payload"]?["id"]?.int == count && $0["payload"]?["success"] != nil
            }
            viewer.command(["type": "prompt", "message": "/crash"])
            try await viewer.wait("crash \(count)") { $0.json().count { $0["type"] == "agent_exit" } == count }
            // Questions are refused until the next pi is there.
            try await eventually("the next pi") {
                count == 4 || Self.names(fixture) == ["pi-demo", "pi-keeper", "pi-socket"]
            }
        }
        let exits = viewer.frames.json().filter { $0["type"] == "agent_exit" }
        #expect(exits.map { $0["restarting"] } == [true, true, true, false])
        #expect(exits.last?["stderr"]?.string?.contains("crash on request") == true)
        #expect(exits.last?["code"] == 1)
        let end = try await agent.process.finish()
        #expect(end.exit == .status(1))
        #expect(end.errors.contains("pi-socket: pi ended: exit status 1"))
    }

    @Test("with --restart never a crash is the end") func never() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--pi", slow, "--restart", "never"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/crash")
        let exit = try await viewer.frame("the end of pi") { $0["type"] == "agent_exit" }
        #expect(exit["restarting"] == false)
        #expect(try await agent.process.waitForExit() == .status(1))
    }

    @Test(
        "a pi that is not there, or ends before it answers, is one line and status 69",
        arguments: [
            ("no-such-pi", "not found"), ("false", "exit status 1"), ("sh -c 'echo why >&2; exit 3'", "why"),
            (
                "sh -c 'echo {\\\"type\\\":\\\"extension_ui_request\\\",\\\"id\\\":1,\\\"method\\\":\\\"input\\\",\\\"title\\\":\\\"Key?\\\"}'",
                "Key?"
            ),
        ])
    func noPi(command: String, words: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let run = try await fixture.run("pi-socket", ["--standalone", "--port", "0", "--pi", command])
        #expect(run.exit == .status(69))
        #expect(run.output.isEmpty)
        let line = try #require(run.errors.split(separator: "\n").last { $0.hasPrefix("pi-socket: ") })
        #expect(line.contains(words), "\(run.errors)")
        let detached = try await fixture.run(
            "pi-socket", ["--detach", "--standalone", "--port", "0", "--pi", command])
        #expect(detached.exit == .status(69))
        #expect(detached.errors.contains(words), "\(detached.errors)")
    }
}
