import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// How agents start: where, with what, and what others see of it.
@Suite("Starting an agent", .serialized)
struct AgentStartTests {
    private func hypivisor(_ fixture: Fixture, _ arguments: [String] = []) async throws -> TestProcess {
        let process = try fixture.start("hypivisor", ["--port", "0"] + arguments)
        _ = try await process.line(0, timeout: .seconds(60))
        return process
    }

    private func detach(
        _ fixture: Fixture, _ arguments: [String] = []
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await fixture.run("pi-socket", ["--detach", "--port", "0"] + arguments, timeout: .seconds(60))
    }

    @Test("Whoever has the ready line of --detach finds the agent in the list")
    func listed() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await hypivisor(fixture)
        for _ in 0..<3 {
            let id = try #require(try JSON(parsing: try await detach(fixture).output)["id"]?.string)
            let listing = try await fixture.run("hypi-ls", ["--json", id])
            #expect(listing.exit == .status(0), "\(listing.errors)")
        }
    }

    @Test(
        "An agent whose session another one works on is refused with 75 and that agent's id", arguments: [true, false])
    func sharedSession(_ hasHypivisor: Bool) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        if hasHypivisor { _ = try await hypivisor(fixture) }
        let folder = try fixture.makeFolder("a")
        let start = hasHypivisor ? [] : ["--local"]
        let first = try await fixture.run("hypi-spawn", start + [folder], timeout: .seconds(60))
        let node = try JSON(parsing: first.output)
        let id = try #require(node["id"]?.string)
        let target = hasHypivisor ? id : try #require(node["url"]?.string)
        let told = try await fixture.run("hypi-attach", ["-p", "one", target])
        #expect(told.exit == .status(0), "\(told.errors)")
        let sessions = fixture.home
        let file = try #require(
            FileManager.default.enumerator(atPath: sessions)?.compactMap { $0 as? String }
                .first { $0.hasSuffix(".jsonl") }
        )
        try FileManager.default.createSymbolicLink(
            atPath: fixture.home + "/alias.jsonl", withDestinationPath: sessions + "/" + file)
        for name in [sessions + "/" + file, fixture.home + "/alias.jsonl"] {
            for words in [["hypi-spawn", "--resume", name, folder] + start, ["pi-socket", "--resume", name]] {
                let second = try await fixture.run(words[0], Array(words.dropFirst()), timeout: .seconds(60))
                #expect(second.exit == .status(75), "\(words): \(second.errors)")
                #expect(second.errors.contains("is in use by agent '\(id)'"), "\(words): \(second.errors)")
                #expect(second.output == "")
            }
        }
    }

    @Test("A hook's command is in no command line, neither while the agent runs nor while the hook does")
    func hiddenHook() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hook = ": s3cret-topic; read line; echo done >> \(fixture.home)/hooked; cat \(fixture.home)/gate"
        #expect(mkfifo(fixture.home + "/gate", 0o600) == 0)
        let agent = try await detach(fixture, ["--standalone", "--hook", hook])
        #expect(agent.exit == .status(0), "\(agent.errors)")
        try await within(.seconds(20), "the hook") {
            while !FileManager.default.fileExists(atPath: fixture.home + "/hooked") { await Task.yield() }
        }
        #if os(Linux)
            let lines = Fixture.processes(withHome: fixture.home).map {
                (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? ""
            }
            #expect(lines.contains { $0.contains("cat") }, "the hook runs: \(lines)")
            #expect(!lines.contains { $0.contains("s3cret-topic") }, "\(lines)")
        #endif
        // Lets the hook end.
        try Data().write(to: URL(fileURLWithPath: fixture.home + "/gate"))
    }

    #if os(Linux)
        @Test("An agent starts though the disk for its state is full", .enabled(if: OwnMounts.areAvailable))
        func fullDisk() async throws {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let state = try fixture.makeFolder(".local/state")
            _ = try await fixture.run("hypi-ls", ["--timeout", "1s"])
            let script = """
                mount -t tmpfs -o size=4k,nr_inodes=2 none \(state) && cat /dev/zero > \(state)/full 2>/dev/null
                exec \(Fixture.executables)/pi-socket --detach --standalone --port 0
                """
            let process = try TestProcess(
                "/usr/bin/unshare", ["-m", "sh", "-c", script],
                environment: fixture.environment.merging(["HYPI_TOKEN": String(repeating: "t", count: 40)]) { $1 },
                cwd: fixture.home)
            let end = try await process.finish()
            #expect(end.exit == .status(0), "\(end.errors)")
            #expect(end.output.contains("\"event\":\"ready\""))
            #expect(end.errors.contains("no space left on device"))
        }

        @Test("hypivisor as the first process of a container collects what falls to it, and ends when it is asked to")
        func firstProcess() async throws {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let container = try TestProcess(
                "/usr/bin/unshare",
                ["-pf", "--mount-proc", "--kill-child", Fixture.executables + "/hypivisor", "--port", "0"],
                environment: fixture.environment, cwd: fixture.home)
            do {
                _ = try await container.line(0, timeout: .seconds(60))
            } catch {
                // No namespaces here.
                return
            }
            let folder = try fixture.makeFolder("a")
            for _ in 0..<2 {
                let record = try await fixture.run("hypi-spawn", [folder], timeout: .seconds(60)).output
                let id = try #require(try JSON(parsing: record)["id"]?.string)
                _ = try await fixture.run("hypi-attach", ["--stop", id], timeout: .seconds(60))
            }
            let first = try #require(Self.children(container.pid).first)
            try await within(.seconds(20), "the end of every orphan") {
                while Self.children(first).contains(where: { Self.state($0) == "Z" }) { await Task.yield() }
            }
            #expect(Self.children(first).contains { Self.state($0) != nil })
            kill(first, SIGTERM)
            #expect(try await container.waitForExit() == .status(0))
        }

        private static func children(_ pid: pid_t) -> [pid_t] {
            let list = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
            return (list ?? "").split(separator: " ").compactMap { pid_t($0) }
        }

        private static func state(_ pid: pid_t) -> Character? {
            let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
            guard let close = text.lastIndex(of: ")") else { return nil }
            return text[text.index(after: close)...].first { $0 != " " }
        }
    #endif
}
