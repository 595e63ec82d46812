import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite(
    "hypi-attach when its agent has ended", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachEndTests {
    @Test("an agent that was stopped elsewhere is brought back with its session, or its chat ends")
    func revival() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", agent.id, "--timeout", "20"])
        let screen = try await ChatScreen(fixture)
        try await screen.enter("clear; hypi-attach \(agent.id)")
        try await screen.wait("the conversation") { rows in
            rows.last == ">" && rows.contains { $0.hasPrefix("/help lists commands") }
        }
        try await screen.ask("the word is heron")
        _ = try await fixture.run("hypi-attach", ["--stop", agent.id])
        try await screen.waitForRow { $0 == "bring it back? y/n:" }
        // What is seen afterwards comes from the agent that was brought back.
        try await screen.press("C-l")
        try await screen.wait("an empty screen") { rows in
            rows.last == "bring it back? y/n:" && !rows.contains { $0.hasPrefix("/help lists") }
        }
        try await screen.enter("y")
        try await screen.wait("the agent with its session", timeout: .seconds(20)) { rows in
            rows.last == ">" && rows.contains("› the word is heron") && rows.contains { $0.hasPrefix("/help lists") }
        }
        try await screen.enter("clear")
        try await screen.enter("/stop")
        try await screen.enter("y")
        try await screen.waitFor("the agent has ended; this brings it back: hypi-spawn --resume")
        try await screen.wait("the shell") { $0.last == "$" }
        await screen.close()
    }

    @Test("the chat of an agent that nobody can start again ends with it")
    func direct() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            _ = try await fixture.run("hypi-attach", ["--stop", "\(url)"])
            try await screen.wait("the shell") { rows in
                rows.last == "$" && rows.contains { $0.contains("the agent has ended") }
            }
        }
    }

    @Test("attached files are read when the prompt goes out, and not kept")
    func attachments() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            let text = String(repeating: "0123456789abcde\n", count: (8 << 20) / 16)
            try text.write(toFile: fixture.home + "/big.txt", atomically: true, encoding: .utf8)
            try await screen.attach(url)
            let pid = try #require(
                Fixture.processes(withHome: fixture.home).first { pid in
                    let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
                    return String(decoding: line, as: UTF8.self).hasPrefix("hypi-attach")
                })
            for _ in 0..<4 { try await screen.enter("/attach ~/big.txt") }
            try await screen.waitFor("4 attached")
            let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
            let kilobytes = try #require(line.split(separator: " ").compactMap { Int($0) }.first)
            #expect(kilobytes < 60_000)
        }
    }
}
