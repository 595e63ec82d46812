import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// Everything that any program prints for another program is a record with a schema (specs/schemas).
@Suite("Records", .serialized, .timeLimit(.minutes(5 * Effort.patience)))
struct RecordsTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    /// Checks that output is at least so many valid records.
    private func check(
        _ output: String, _ schema: String, atLeast count: Int = 1, _ location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(output.hasSuffix("\n"), sourceLocation: location)
        #expect(output.split(separator: "\n").count >= count, sourceLocation: location)
        #expect(try RecordSchema(schema).faults(inLines: output) == [], sourceLocation: location)
    }

    @Test("of hypivisor: the ready line, roster events, log lines")
    func hypivisor() async throws {
        defer { fixture.cleanUp() }
        let (process, _) = try await fixture.startHypivisor([
            "--port", "0", "--print-events", "--log-format", "json", "--node-ttl", "1s",
        ])
        let agent = try await fixture.startAgent(["--log-format", "json", "--id", "one"])
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", "one", "--timeout", "30"])
        _ = try await fixture.run("hypi-attach", ["-p", "hello", "one"])
        agent.process.signal(SIGTERM)
        let ended = try await agent.process.finish()
        _ = try await fixture.run("hypi-ls", ["--wait", "gone", "one", "--timeout", "30"])
        process.signal(SIGTERM)
        let (exit, output, errors) = try await process.finish()
        #expect(exit == .status(0))
        let lines = output.split(separator: "\n", maxSplits: 1)
        try check(lines[0] + "\n", "ready")
        try check(String(lines[1]), "watch-event", atLeast: 3)
        #expect(output.contains(#""event":"node_removed""#))
        try check(errors, "log-line")
        try check(ended.output, "ready")
        try check(ended.errors, "log-line")
    }

    @Test("of pi-socket: the ready line in the background, and what its hook is told")
    func hooks() async throws {
        defer { fixture.cleanUp() }
        let log = fixture.home + "/events"
        _ = try await fixture.startHypivisor()
        let detached = try await fixture.run(
            "pi-socket",
            [
                "--detach", "--id", "one", "--hook", "cat >>\(log); echo >>\(fixture.home)/heard", "--max-repeats", "2",
                "--pi", "pi-demo --rate 0",
            ])
        #expect(detached.exit == .status(0))
        try check(detached.output, "ready")
        _ = try await fixture.run("hypi-attach", ["-p", "hello", "one"])
        _ = try await fixture.run("hypi-attach", ["-p", "/ask confirm", "--answer", "y", "one"])
        _ = try await fixture.run("hypi-attach", ["-p", "/crash", "one"])
        _ = try await fixture.run("hypi-attach", ["--stop", "one"])
        _ = try await fixture.run("hypi-ls", ["--wait", "gone", "one", "--timeout", "60"])
        let told = try String(contentsOfFile: log, encoding: .utf8)
        try check(told, "hook-event", atLeast: 4)
        for event in ["ready", "settled", "input-required", "error"] {
            #expect(told.contains(#""event":"\#(event)""#), "\(event)")
        }
    }

    @Test("of hypi-spawn, hypi-ls and hypi-dirs, in all their ways")
    func tools() async throws {
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let folder = try fixture.makeFolder("src/app")
        let first = try await fixture.run("hypi-spawn", [folder, "--key", "k", "--name", "worker", "--max-cost", "5"])
        try check(first.output, "node")
        try check(try await fixture.run("hypi-spawn", [folder, "--key", "k"]).output, "node")
        try check(try await fixture.run("hypi-spawn", [folder, "--if-absent"]).output, "node")
        try check(
            try await fixture.run("hypi-spawn", ["--local", "--hypivisor", "ws://127.0.0.1:1/ws", folder]).output,
            "node")
        let early = try await fixture.run("hypi-spawn", ["--no-wait", folder]).output
        try check(early, try JSON(parsing: early)["status"] == "spawning" ? "spawning" : "node")
        let failed = try await fixture.run("hypi-spawn", [folder + "/nowhere"])
        #expect(failed.exit == .status(1))
        #expect(failed.output == "")
        try check(try await fixture.run("hypi-ls").output, "node", atLeast: 2)
        try check(try await fixture.run("hypi-ls", ["--wait", "idle", "worker"]).output, "node")
        try check(try await fixture.run("hypi-dirs", [fixture.home + "/src"]).output, "directory")
        let watch = try fixture.start("hypi-ls", ["--watch", "worker"])
        _ = try await watch.line(0)
        _ = try await fixture.run("hypi-attach", ["--stop", "worker"])
        try await watch.output.wait("the end of the agent") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("node_removed")
        }
        try check(watch.output.text, "watch-event", atLeast: 3)
    }

    @Test("of a version 1 registry, which tells of an agent only where it is")
    func version1() async throws {
        let registry = try await FakeRegistry.start { _, _ in .success(["status": "spawning", "path": "/a"]) }
        let result = try await fixture.run("hypi-spawn", ["--hypivisor", registry.url, "--no-wait", "/a"])
        #expect(result.exit == .status(0))
        try check(result.output, "spawning")
    }

    @Test("of hypi-attach and pi-demo: answers of many, and the records of pi")
    func conversations() async throws {
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let folders = [try fixture.makeFolder("a"), try fixture.makeFolder("b")]
        let nodes = try await fixture.run("hypi-spawn", folders).output
        try check(try await fixture.run("hypi-attach", ["-p", "hi", "-"], input: nodes).output, "answer", atLeast: 2)
        let refused = try await fixture.run("hypi-attach", ["-p", "/error", "-"], input: nodes)
        #expect(refused.exit == .status(1))
        try check(refused.output, "answer", atLeast: 2)
        #expect(refused.output.contains(#""error":""#))
        try check(try await fixture.run("hypi-attach", ["--json", "-p", "/tool 2", "a"]).output, "record", atLeast: 5)
        let commands = #"{"id":1,"type":"get_state"}"# + "\n" + #"{"type":"prompt","message":"x"}"# + "\n"
        try check(
            try await fixture.run("hypi-attach", ["--jsonl-in", "a"], input: commands).output, "record", atLeast: 3)
        let demo = try await fixture.run("pi-demo", ["--rate", "0", "--no-session"], input: commands)
        try check(demo.output, "record", atLeast: 3)
    }
}
