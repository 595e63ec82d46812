import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite("hypi-attach when a script gives up", .timeLimit(.minutes(2 * Effort.patience)))
struct HypiAttachFilterTests {
    private func with(_ body: (Fixture, TestProcess, String) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        try await body(fixture, agent.process, "\(agent.url)")
        agent.process.signal(SIGTERM)
    }

    @Test("--timeout in the middle of an answer: what is on stdout is what the agent said, and not a byte more")
    func exact() async throws {
        try await with { fixture, _, url in
            let result = try await fixture.run("hypi-attach", ["-p", "/hang", "--timeout", "3", url])
            #expect(result.exit == .status(124))
            #expect(!result.output.isEmpty && !result.output.hasSuffix("\n"))
            #expect(result.errors.hasPrefix("hypi-attach: gave up after 3.0 seconds"))
            #expect(result.errors.count { $0 == "\n" } == 1)
        }
    }

    @Test("on a terminal, and in a file for both, the error has a line of its own")
    func ownLine() async throws {
        try await with { fixture, _, url in
            let viewer = try fixture.start(
                "hypi-attach", ["-p", "/hang", "--timeout", "3", url], terminal: .size(columns: 80, rows: 24))
            let shown = try await viewer.finish()
            #expect(shown.exit == .status(124))
            #expect(shown.output.contains("\r\nhypi-attach: gave up after"))
            #expect(!shown.output.hasPrefix("\r\n"))
            #expect(try await fixture.run("hypi-attach", ["--abort", url]).exit == .status(0))
            let shell = try TestProcess(
                "/bin/sh", ["-c", "hypi-attach -p /hang --timeout 3 \(url) > log 2>&1"],
                environment: fixture.environment, cwd: fixture.home)
            #expect(try await shell.waitForExit() == .status(124))
            let lines = try String(contentsOfFile: fixture.home + "/log", encoding: .utf8).split(separator: "\n")
            #expect(lines.last?.hasPrefix("hypi-attach: gave up after") == true)
        }
    }

    @Test("--abort and --stop work without a hypivisor")
    func direct() async throws {
        try await with { fixture, agent, url in
            let hanging = try fixture.start("hypi-attach", ["-p", "/hang", url])
            try await hanging.output.wait("a beginning") { bytes, _ in !bytes.isEmpty }
            #expect(try await fixture.run("hypi-attach", ["--abort", url]).exit == .status(0))
            #expect(try await hanging.finish().exit == .status(1))
            let stop = try await fixture.run("hypi-attach", ["--stop", url])
            #expect(stop.exit == .status(0), "\(stop.errors)")
            #expect(stop.output.isEmpty)
            #expect(try await agent.waitForExit() == .status(0))
        }
    }

    @Test("--stop of an agent that is not there is status 69")
    func nobody() async throws {
        try await with { fixture, _, _ in
            let result = try await fixture.run("hypi-attach", ["--stop", "ws://127.0.0.1:1"])
            #expect(result.exit == .status(69))
        }
    }
}

@Suite(
    "hypi-attach chooses an agent on a terminal", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachChoiceTests {
    private func with(_ folders: [String], _ body: (ChatScreen, [String]) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        var ids: [String] = []
        for folder in folders {
            ids.append(try await fixture.startAgent(cwd: try fixture.makeFolder(folder)).id)
        }
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", "--timeout", "20"] + ids)
        let screen = try await ChatScreen(fixture, columns: 100)
        do {
            try await body(screen, ids)
        } catch {
            await screen.close()
            throw error
        }
        await screen.close()
    }

    @Test("several: a numbered list, from which one is taken by its number")
    func several() async throws {
        try await with(["one", "two"]) { screen, ids in
            try await screen.enter("clear; hypi-attach")
            let rows = try await screen.waitForRow { $0.hasPrefix("agent [1-2]:") }
            #expect(rows.count { row in row.hasPrefix("1: ") || row.hasPrefix("2: ") } == 2)
            let second = try #require(rows.first { $0.hasPrefix("2: ") })
            try await screen.enter("2")
            try await screen.wait("the chat") { $0.last == ">" }
            let id = try #require(ids.first { second.contains($0) })
            try await screen.waitForRow { $0.hasPrefix(id) }
            try await screen.press("C-d")
            // Without a target it would ask again, so the way back names the agent.
            try await screen.waitForRow { $0.hasSuffix("come back with: hypi-attach \(id)") }
        }
    }

    @Test("no number is no choice: status 64")
    func none() async throws {
        try await with(["one", "two"]) { screen, _ in
            try await screen.enter("clear; hypi-attach; echo status $?")
            try await screen.waitForRow { $0.hasPrefix("agent [1-2]:") }
            try await screen.enter("7")
            try await screen.waitForRow { $0 == "hypi-attach: no agent was chosen" }
            try await screen.waitForRow { $0 == "status 64" }
        }
    }

    @Test("the only one is taken without a question; its header says where it is and who else watches")
    func only() async throws {
        try await with(["only"]) { screen, ids in
            try await screen.enter("clear; hypi-attach")
            try await screen.wait("the chat") { rows in
                rows.last == ">" && rows.contains { $0.hasPrefix("/help lists commands") }
            }
            let header = try await screen.rows().prefix(2).joined(separator: " ")
            #expect(header.contains(ids[0]) && header.contains("~/only on ") && header.contains("% of context"))
            #expect(!header.contains("watching"))
            try await screen.tmux(["split-window", "exec sh -i"])
            try await screen.waitForRow { $0.hasPrefix("$") }
            try await screen.enter("clear; hypi-ls > /dev/null; hypi-attach")
            try await screen.waitForRow { $0.contains("1 other watching") }
        }
    }
}
