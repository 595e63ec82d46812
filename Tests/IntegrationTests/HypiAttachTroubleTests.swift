import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite(
    "hypi-attach when something dies", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachTroubleTests {
    /// The prompts that an agent has.
    private func prompts(_ fixture: Fixture, _ target: String) async throws -> [String] {
        let all = try await fixture.run(
            "hypi-attach", ["--jsonl-in", target], input: #"{"id":1,"type":"get_messages"}"#)
        let messages = try JSON(parsing: String(all.output.split(separator: "\n")[0]))["data"]?["messages"]?.array
        return (messages ?? []).filter { $0["role"] == "user" }
            .compactMap { $0["content"]?.string ?? $0["content"]?[0]?["text"]?.string }
    }

    @Test("pi's death is one line, the half-said answer ends, and the next prompt goes to the pi that follows")
    func death() async throws {
        try await ChatScreen.beside(rate: 100) { fixture, screen, url in
            try await screen.attach(url)
            try await screen.ask("hello")
            try await screen.enter("/long 5000")
            try await screen.waitFor("Once upon a time")
            try await screen.type("/crash")
            try await screen.press("Enter")
            try await screen.waitForRow { $0.hasPrefix("! pi ended with status 1") }
            let rows = try await screen.wait("the line") { $0.last == ">" && !$0.contains { $0.contains("working") } }
            #expect(rows.joined(separator: " ").contains("Error: crash on request"))
            try await screen.enter("are you back?")
            // A pi that is still starting refuses; the line comes back and can be sent again.
            let deadline = ContinuousClock.now + .seconds(15) * Effort.patience
            while try await !screen.rows().contains("› are you back?") {
                guard ContinuousClock.now < deadline else { throw DeadlinePassed("\(try await screen.rows())") }
                if try await screen.rows().last == "> are you back?" { try await screen.press("Enter") }
            }
            try await screen.waitForEnd()
            #expect(try await prompts(fixture, "\(url)").contains("are you back?"))
        }
    }

    @Test("Ctrl-Z leaves for the shell, fg comes back to the line that was being typed")
    func suspension() async throws {
        try await ChatScreen.beside(rate: 200) { fixture, screen, url in
            try await screen.enter("exec bash --norc -i")
            try await screen.attach(url)
            try await screen.enter("/long 600")
            try await screen.waitFor("Once upon")
            try await screen.type("half a line")
            try await screen.waitForRow { $0 == "> half a line" }
            try await screen.press("C-z")
            try await screen.waitFor("Stopped")
            try await screen.enter("fg")
            try await screen.wait("the end, with one line", timeout: .seconds(20)) { rows in
                rows.last == "> half a line" && !rows.contains { $0.contains("working") }
                    && rows.count { $0 == "> half a line" } == 1
            }
            let answer = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            #expect(try await screen.words().contains(String(answer.words.suffix(100))))
        }
    }

    @Test("a guard says in one line why the agent stopped; /resume lets it go on")
    func guarded() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--max-turn", "1s"], cwd: try fixture.makeFolder("project"))
        let screen = try await ChatScreen(fixture)
        try await screen.attach(agent.url)
        try await screen.enter("/hang")
        try await screen.waitForRow { $0.hasPrefix("! a guard stopped the agent: ") }
        try await screen.enter("/resume")
        try await screen.waitForRow { $0 == "· the guard was lifted" }
        await screen.close()
    }

    @Test("a hypivisor that is killed is one line; what is typed meanwhile is sent once it is back, once")
    func absence() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, url) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", agent.id, "--timeout", "20"])
        let screen = try await ChatScreen(fixture)
        try await screen.enter("clear; hypi-attach \(agent.id)")
        try await screen.wait("the conversation") { rows in
            rows.last == ">" && rows.contains { $0.hasPrefix("/help lists commands") }
        }
        hypivisor.signal(SIGKILL)
        _ = try await hypivisor.waitForExit()
        try await screen.waitForRow { $0.hasPrefix("! ") && $0.contains("trying again") }
        try await screen.enter("said into the void")
        try await screen.waitForRow { $0 == "queued: said into the void" }
        try await screen.type("and half a line")
        _ = try await fixture.startHypivisor(["--port", "\(url.port)"])
        try await screen.wait("the answer", timeout: .seconds(30)) { rows in
            rows.contains("› said into the void") && rows.contains { $0.contains("│ said into the void") }
                && rows.last == "> and half a line" && !rows.contains { $0.hasPrefix("! ") }
        }
        #expect(try await prompts(fixture, "\(agent.url)") == ["said into the void"])
        await screen.close()
    }
}
