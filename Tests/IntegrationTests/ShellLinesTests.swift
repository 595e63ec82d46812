import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// Lines that people type or put into scripts, as written, with real agents: on a terminal, and with nothing but a home
/// and a path.
@Suite("Shell lines", .serialized)
struct ShellLinesTests {
    enum Surroundings: String, CaseIterable, Sendable {
        case terminal
        case bare
    }

    private func run(
        _ line: String, in fixture: Fixture, _ surroundings: Surroundings
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        let home = ["HOME": fixture.home, "PATH": Fixture.executables + ":/usr/bin:/bin"]
        switch surroundings {
        case .terminal:
            let environment = home.merging(["TERM": "xterm", "LANG": "C.UTF-8"]) { $1 }
            let shell = try TestProcess(
                "/bin/bash", ["-c", line], environment: environment, cwd: fixture.home,
                terminal: .size(columns: 100, rows: 30))
            let result = try await shell.finish(timeout: .seconds(90))
            return (result.exit, result.output.replacing("\r\n", with: "\n"), result.errors)
        case .bare:
            let words = ["-i"] + home.map { "\($0.key)=\($0.value)" } + ["sh", "-c", line]
            return try await TestProcess("/usr/bin/env", words, environment: [:], cwd: "/").finish(
                timeout: .seconds(90))
        }
    }

    private func nodes(_ fixture: Fixture) async throws -> [Node] {
        try await fixture.run("hypi-ls").output.split(separator: "\n").map { try Node(json: JSON(parsing: String($0))) }
    }

    private func withAgents(_ names: [String], _ body: (Fixture) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let folders = try names.map { try fixture.makeFolder($0) }
        if !folders.isEmpty { #expect(try await fixture.run("hypi-spawn", folders).exit == .status(0)) }
        try await body(fixture)
        hypivisor.signal(SIGTERM)
        _ = try await hypivisor.waitForExit()
    }

    @Test("the ids of idle agents", arguments: Surroundings.allCases)
    func idle(surroundings: Surroundings) async throws {
        try await withAgents(["a", "b"]) { fixture in
            let asks = try fixture.start("hypi-attach", ["-p", "/ask", "a"])
            #expect(try await asks.waitForExit() == .status(75))
            let waits = try await fixture.run("hypi-ls", ["--wait", "input-required", "a", "--timeout", "20"])
            #expect(waits.exit == .status(0), "\(waits.errors)")
            let result = try await run(
                #"hypi-ls | jq -r 'select(.activity=="idle") | .id'"#, in: fixture, surroundings)
            let idle = try await nodes(fixture).filter { $0.cwd == fixture.home + "/b" }
            #expect(result == (.status(0), idle.map { $0.id + "\n" }.joined(), ""))
            #expect(idle.count == 1)
        }
    }

    @Test("an agent for every repository that has none", arguments: Surroundings.allCases)
    func missing(surroundings: Surroundings) async throws {
        try await withAgents(["src/served"]) { fixture in
            for name in ["served", "one", "two"] { _ = try fixture.makeFolder("src/\(name)/.git") }
            _ = try fixture.makeFolder("src/plain")
            let line = "hypi-dirs ~/src --git --missing | hypi-spawn - | jq -r .id"
            let result = try await run(line, in: fixture, surroundings)
            #expect(result.exit == .status(0))
            #expect(result.errors == "")
            let nodes = try await nodes(fixture)
            let src = fixture.home + "/src/"
            #expect(Set(nodes.map(\.cwd)) == [src + "served", src + "one", src + "two"])
            let started = Set(nodes.filter { $0.cwd != src + "served" }.map(\.id))
            #expect(Set(result.output.split(separator: "\n").map(String.init)) == started)
            #expect(try await run(line, in: fixture, surroundings) == (.status(0), "", ""))
        }
    }

    @Test("nightly tasks, started twice, are one agent a folder", arguments: Surroundings.allCases)
    func keys(surroundings: Surroundings) async throws {
        try await withAgents([]) { fixture in
            for name in ["a", "b", "c"] { _ = try fixture.makeFolder(name) }
            let line =
                #"for d in a b c; do hypi-spawn "$HOME/$d" --key "nightly-$d" --prompt 'run the tests'; done"#
            let first = try await run(line, in: fixture, surroundings)
            let second = try await run(line, in: fixture, surroundings)
            for result in [first, second] {
                #expect(result.exit == .status(0))
                #expect(result.errors == "")
                #expect(try RecordSchema("node").faults(inLines: result.output) == [])
            }
            let ids = { (text: String) in
                try text.split(separator: "\n").map { try JSON(parsing: String($0))["id"]?.string }
            }
            #expect(try ids(first.output).count == 3)
            #expect(try ids(first.output) == ids(second.output))
            #expect(!first.output.contains(#""existing":true"#))
            #expect(second.output.split(separator: "\n").allSatisfy { $0.contains(#""existing":true"#) })
            #expect(Set(try await nodes(fixture).map(\.key)) == ["nightly-a", "nightly-b", "nightly-c"])
            _ = try await fixture.run("hypi-ls", ["--wait", "idle", "--timeout", "30"])
            #expect(try await fixture.run("hypi-attach", ["--last", "b"]).output.contains("run the tests"))
        }
    }

    @Test("the first three records of a watch", arguments: Surroundings.allCases)
    func watch(surroundings: Surroundings) async throws {
        try await withAgents(["a", "b", "c"]) { fixture in
            let result = try await run("hypi-ls --watch | head -n 3", in: fixture, surroundings)
            #expect(result.exit == .status(0))
            #expect(result.errors == "")
            #expect(result.output.split(separator: "\n").count == 3)
            #expect(try RecordSchema("watch-event").faults(inLines: result.output) == [])
        }
    }

    @Test("waiting until all agents are idle", arguments: Surroundings.allCases)
    func wait(surroundings: Surroundings) async throws {
        try await withAgents(["a", "b"]) { fixture in
            #expect(try await fixture.run("hypi-attach", ["--no-wait", "-p", "!sleep 1", "a"]).exit == .status(0))
            let result = try await run("hypi-ls --wait idle --timeout 60", in: fixture, surroundings)
            #expect(result.exit == .status(0))
            #expect(result.errors == "")
            #expect(result.output.split(separator: "\n").count == (surroundings == .terminal ? 3 : 2))
            #expect(!result.output.contains("working"))
        }
    }

    @Test("asking all agents at once", arguments: Surroundings.allCases)
    func fanOut(surroundings: Surroundings) async throws {
        try await withAgents(["a", "b"]) { fixture in
            let result = try await run("hypi-ls | hypi-attach -p 'status?' -", in: fixture, surroundings)
            #expect(result.exit == .status(0))
            #expect(result.errors == "")
            let records = try result.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
            let ids = Set(try await nodes(fixture).map(\.id))
            #expect(Set(records.compactMap { $0["id"]?.string }) == ids)
            #expect(ids.count == 2)
            #expect(try RecordSchema("answer").faults(inLines: result.output) == [])
        }
    }
}
