import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// What becomes of a program when its output does: the reader leaves, the disk is full, somebody presses Ctrl-C.
@Suite("Ends of output", .serialized, .timeLimit(.minutes(5 * Effort.patience)))
struct OutputEndTests {
    /// Everything the lines below need: a hypivisor, agents in `a` and `b`, folders `c` and `d` without one.
    private func withAgents(_ body: (Fixture) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let folders = try ["a", "b", "c", "d"].map { try fixture.makeFolder("src/\($0)") }
        #expect(try await fixture.run("hypi-spawn", Array(folders.prefix(2))).exit == .status(0))
        try await body(fixture)
        hypivisor.signal(SIGTERM)
        _ = try await hypivisor.waitForExit()
    }

    private func bash(_ line: String, _ fixture: Fixture) throws -> TestProcess {
        try TestProcess("/bin/bash", ["-c", line], environment: fixture.environment, cwd: fixture.home)
    }

    @Test(
        "a reader that has what it wants ends the program quietly, by SIGPIPE if there was more to say",
        arguments: [
            ("hypi-ls", [0, 141]), ("hypi-ls --watch", [141]), ("hypi-dirs ~/src", [0, 141]),
            ("hypi-spawn src/c src/d --jobs 1", [0, 141]), ("hypi-attach -p '/long 400000' a", [141]),
            ("hypi-attach --json -p '/long 400000' a", [141]), ("hypi-attach --follow a", [141]),
            ("hypi-ls | hypi-attach -p hello -", [0, 141]),
        ])
    func reader(line: String, statuses: [Int]) async throws {
        try await withAgents { fixture in
            // A viewer that only watches has to be shown something.
            let talk =
                line.contains("--follow") ? "{ while :; do hypi-attach -p hello a; done; } >/dev/null 2>&1 & " : ""
            let shell = try bash(
                talk + line + " | head -c 9 >/dev/null; echo ${PIPESTATUS[@]}; kill $! 2>/dev/null", fixture)
            let result = try await shell.finish(timeout: .seconds(60))
            let seen = result.output.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
            #expect(statuses.contains(seen.dropLast().last ?? -1), "\(line): \(result.output)")
            #expect(seen.last == 0)
            #expect(result.errors == "")
        }
    }

    @Test(
        "a full disk and a closed output are errors with status 74 and one line",
        arguments: [
            "hypi-ls", "hypi-ls --table", "hypi-ls --watch", "hypi-ls --wait idle", "hypi-dirs ~/src",
            "hypi-spawn src/c",
            "hypi-attach -p hello a", "hypi-attach --last a", "hypi-attach --json -p hello a",
            "hypi-ls a | hypi-attach -p hello -",
        ])
    func full(line: String) async throws {
        try await withAgents { fixture in
            _ = try await fixture.run("hypi-attach", ["-p", "something to have --last of", "a"])
            for (target, reason) in [("/dev/full", "no space left on device"), ("&-", "bad file descriptor")] {
                let shell = try bash("\(line) >\(target); echo $? >&2", fixture)
                let errors = try await shell.finish(timeout: .seconds(60)).errors
                let tool = line.contains("attach") ? "hypi-attach" : String(line.prefix { $0 != " " })
                #expect(errors == "\(tool): cannot write to standard output: \(reason)\n74\n", "\(line)")
            }
        }
    }

    /// Runs a line on a terminal, interrupts it once it has begun, and answers its status and the terminal's settings.
    private func interrupt(
        _ line: String, _ environment: [String: String], when hasBegun: (TestProcess) async throws -> Void
    ) async throws -> (status: String, before: String, after: String) {
        // With a trap the shell itself survives and can tell.
        let script = "trap : INT; echo before $(stty -g); \(line); echo status $?; echo after $(stty -g)"
        let shell = try TestProcess(
            "/bin/bash", ["-c", script], environment: environment.merging(["TERM": "xterm"]) { $1 },
            terminal: .size(columns: 100, rows: 30))
        try await hasBegun(shell)
        shell.send("\u{3}")
        let output = try await shell.finish(timeout: .seconds(30)).output
        return (
            output.firstMatch(of: /status ([0-9]+)/).map { String($0.1) } ?? output,
            output.firstMatch(of: /before ([0-9a-f]+:[0-9a-f:]+)/).map { String($0.1) } ?? "?",
            output.firstMatch(of: /after ([0-9a-f]+:[0-9a-f:]+)/).map { String($0.1) } ?? "!"
        )
    }

    @Test(
        "Ctrl-C while it prints ends it by the signal and leaves the terminal as it was",
        arguments: [
            ("hypi-ls --watch", "ACTIVITY"), ("hypi-ls --watch --json", "node_joined"),
            ("hypi-attach -p '/long 400000' a", "once upon"),
            ("hypi-attach --json -p '/long 400000' a", "message_update"),
        ])
    func interruptPrinting(line: String, sign: String) async throws {
        try await withAgents { fixture in
            let result = try await interrupt(line, fixture.environment) { shell in
                try await shell.output.wait("the beginning of \(line)") { bytes, _ in
                    String(decoding: bytes, as: UTF8.self).lowercased().contains(sign.lowercased())
                }
            }
            #expect(result.status == "130")
            #expect(result.before == result.after)
        }
    }

    @Test("Ctrl-C while it waits does the same", arguments: ["hypi-ls --wait gone", "hypi-spawn -", "hypi-dirs /r"])
    func interruptWaiting(line: String) async throws {
        let fixture = try Fixture()
        // It answers no question, and its one agent never goes.
        let registry = try await FakeRegistry.start([Node(id: "a", machine: "m", cwd: "/a", port: 1)])
        registry.setSilent()
        let environment = fixture.environment.merging(["HYPIVISOR_WS": registry.url]) { $1 }
        let result = try await interrupt(line, environment) { _ in
            var connections = registry.connections.makeAsyncIterator()
            _ = await connections.next()
        }
        #expect(result.status == "130")
        #expect(result.before == result.after)
    }
}
