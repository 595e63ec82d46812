import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// Guards, and what else ends by itself, with real processes.
@Suite("pi-socket and its guards") struct PiSocketGuardTests {
    @Test("beyond --max-cost the agent is stopped, and after a resume once as much has been spent again") func cost()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--max-cost", "0.0001"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        for round in 1...2 {
            let before = viewer.frames.all.count
            viewer.send("what does this cost, round \(round)")
            let trip = try await viewer.frame("the guard", from: before) { $0["type"] == "guard" }
            #expect(trip["guard"] == "max-cost")
            #expect(trip["detail"]?.string?.contains("$") == true)
            let late = try await Viewer(agent.url, token: try fixture.token())
            let snapshot = try await late.frame("init_state") { $0["type"] == "init_state" }
            #expect(snapshot["state"]?["activity"] == "blocked")
            #expect(snapshot["state"]?["blocked"] == trip["detail"])
            await late.close()
            viewer.send("refused")
            let refusal = try await viewer.frame("a refusal", from: before) {
                $0["type"] == "response" && $0["success"] == false
            }
            #expect(refusal["error"]?.string?.contains("resume") == true)
            viewer.send(["type": "resume"])
            _ = try await viewer.frame("it goes on", from: before) { $0["type"] == "guard_resumed" }
        }
    }

    @Test("the same failing tool call, --max-repeats times running, stops the agent; another in between does not")
    func repeats() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--max-repeats", "3"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        for command in ["!false", "!false", "!true", "!false", "!exit 7", "!false", "!false"] {
            let before = viewer.frames.all.count
            viewer.send(command)
            _ = try await viewer.frame("the end of the run", from: before) { $0["type"] == "agent_settled" }
        }
        #expect(!viewer.frames.json().contains { $0["type"] == "guard" })
        viewer.send("!false")
        let trip = try await viewer.frame("the guard") { $0["type"] == "guard" }
        #expect(trip["guard"] == "max-repeats")
        #expect(trip["detail"] == "the same tool call failed 3 times running")
    }

    @Test("hooks hear of a crash and of a guard, in order") func hooks() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let log = fixture.home + "/events"
        let agent = try await fixture.startAgent([
            "--standalone", "--max-repeats", "1", "--hook", "cat >>\(log)",
        ])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/crash")
        _ = try await viewer.frame("pi is back") { $0["type"] == "agent_restarted" }
        viewer.send("!exit 9")
        _ = try await viewer.frame("the guard") { $0["type"] == "guard" }
        kill(agent.process.pid, SIGTERM)
        let end = try await agent.process.finish()
        #expect(end.exit == .status(0))
        let records = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map {
            try JSON(parsing: String($0))
        }
        let events = records.compactMap { $0["event"]?.string }.filter { $0 != "settled" }
        #expect(events == ["ready", "error", "guard", "exit"])
        #expect(records.first { $0["event"] == "error" }?["detail"] == "pi ended: exit status 1")
        let trip = records.first { $0["event"] == "guard" }
        #expect(trip?["guard"] == "max-repeats" && trip?["detail"]?.string?.isEmpty == false)
        #expect(!end.errors.contains("hook"))
    }

    @Test("with --ui-timeout a dialog that its viewer has left is cancelled") func uiTimeout() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (requests, sink) = AsyncStream.makeStream(of: RegistryRequest.self)
        let registry = try await FakeRegistry.start { request, _ in
            sink.yield(request)
            return .success(["status": "updated"])
        }
        let agent = try await fixture.startAgent(["--hypivisor", registry.url, "--ui-timeout", "400ms"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/ask confirm --keep")
        _ = try await viewer.frame("a dialog") { $0["method"] == "confirm" }
        try await within(.seconds(30), "it is said to wait") {
            for await request in requests where request.params["activity"] == "input-required" { return }
        }
        await viewer.close()
        try await within(.seconds(30), "it is cancelled") {
            for await request in requests where request.params["activity"] == "idle" { return }
        }
        let late = try await Viewer(agent.url, token: try fixture.token())
        let snapshot = try await late.frame("init_state") { $0["type"] == "init_state" }
        #expect(snapshot["pending"] == [])
        #expect(snapshot["messages"]?.array?.last?["role"] == "custom")
    }
}
