import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// `git diff | hypi-attach -p 'review this'` wants the diff; a loop that reads its list from standard input wants its list.
@Suite("Text on standard input beside -p", .timeLimit(.minutes(3 * Effort.patience)))
struct PipedTextTests {
    /// Runs a line of bash beside an agent at `$A`.
    private func bash(_ line: String, _ fixture: Fixture, _ url: String) async throws -> (
        exit: TestProcess.Exit, output: String, errors: String
    ) {
        let shell = try TestProcess(
            "/bin/bash", ["-c", line], environment: fixture.environment.merging(["A": url]) { $1 }, cwd: fixture.home)
        return try await shell.finish(timeout: .seconds(60))
    }

    private func with(_ body: (Fixture, String) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        try await body(fixture, "\(agent.url)")
        agent.process.signal(SIGTERM)
    }

    @Test(
        "text of a pipe, a file and a here document is appended, also slowly, through a wrapper and with a mark",
        arguments: [
            "echo the diff | hypi-attach -p review $A", "echo the diff | timeout 20 env hypi-attach -p review $A",
            "echo the diff > f; hypi-attach -p review $A < f", "hypi-attach -p review $A <<< 'the diff'",
            "{ sleep 1; echo the; sleep 1; echo diff; } | tr '\\n' ' ' | hypi-attach -p review $A",
            "printf '\\xef\\xbb\\xbfthe diff\\r\\n' | hypi-attach -p review $A",
            "review() { cat | hypi-attach -p review $A; }; echo the diff | review",
        ])
    func appended(line: String) async throws {
        try await with { fixture, url in
            let result = try await bash(line, fixture, url)
            #expect(result.exit == .status(0) && result.errors.isEmpty, "\(result)")
            #expect(result.output.contains("> review\n> \n> the diff"), "\(line): \(result.output)")
        }
    }

    @Test(
        "a loop that shares standard input keeps its list",
        arguments: [
            "printf 'a\\nb\\nc\\n' > l; while read -r x; do hypi-attach -p \"item $x.\" $A; done < l",
            "printf 'a\\nb\\nc\\n' | while read -r x; do hypi-attach -p \"item $x.\" $A 2>/dev/null; done",
            "printf 'a\\nb\\nc\\n' | while read -r x; do timeout 20 hypi-attach -p \"item $x.\" $A 2>/dev/null; done",
        ])
    func loop(line: String) async throws {
        try await with { fixture, url in
            let result = try await bash(line, fixture, url)
            #expect(result.exit == .status(0) && result.errors.isEmpty, "\(result)")
            for item in ["a", "b", "c"] { #expect(result.output.contains("> item \(item).\n"), "\(result.output)") }
            #expect(!result.output.contains("> \n"), "nothing was appended")
        }
    }

    @Test("text that is left to the shell around is not left without a word")
    func shared() async throws {
        try await with { fixture, url in
            let result = try await bash(
                "review() { hypi-attach -p review $A; cat; }; echo the diff | review", fixture, url)
            #expect(result.exit == .status(0) && result.output.hasSuffix("the diff\n"))
            #expect(result.errors.contains("left to the calling program"), "\(result.errors)")
        }
    }

    @Test("nothing on standard input neither hangs nor adds anything")
    func nothing() async throws {
        try await with { fixture, url in
            for line in [
                "hypi-attach -p plain $A < /", "hypi-attach -p plain $A <&-", "hypi-attach -p plain $A < /dev/null",
                "hypi-attach -p plain $A < /dev/zero", ": | hypi-attach -p plain $A", "hypi-attach -p plain $A < <(:)",
            ] {
                let result = try await bash(line, fixture, url)
                #expect(result.exit == .status(0) && result.errors.isEmpty, "\(line): \(result)")
                #expect(result.output.contains("> plain\n\n"), "\(line): \(result.output)")
            }
            let open = try await bash("mkfifo p; exec 9<>p; hypi-attach -p plain $A < p", fixture, url)
            #expect(open.exit == .status(0) && open.output.contains("> plain\n\n"), "\(open)")
            #expect(open.errors.contains("nothing came on standard input"))
        }
    }

    @Test("-p - reads the prompt from standard input; a non-blocking one too")
    func dash() async throws {
        try await with { fixture, url in
            let piped = try await bash("{ sleep 0.5; echo from a pipe; } | hypi-attach -p - $A", fixture, url)
            #expect(piped.output.contains("> from a pipe\n"), "\(piped)")
            let python = """
                import os, subprocess, sys, time
                r, w = os.pipe(); os.set_blocking(r, False)
                for words in (["-p", "-"], [], ["-p", "text"]):
                    r, w = os.pipe(); os.set_blocking(r, False)
                    p = subprocess.Popen(["hypi-attach", *words, os.environ["A"]], stdin=r, stdout=subprocess.PIPE)
                    time.sleep(0.5); os.write(w, b"late "); time.sleep(0.2); os.write(w, b"words"); os.close(w); os.close(r)
                    out = p.communicate(timeout=20)[0]
                    if p.returncode or b"late words" not in out: sys.exit(f"{words}: {p.returncode} {out}")
                """
            try python.write(toFile: fixture.home + "/nonblocking.py", atomically: true, encoding: .utf8)
            let result = try await bash("python3 nonblocking.py", fixture, url)
            #expect(result.exit == .status(0), "\(result.errors)")
        }
    }
}
