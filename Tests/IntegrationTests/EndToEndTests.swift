import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOPosix
import Testing

/// The main job from one end to the other, with the built programs alone.
@Suite("From one end to the other", .serialized)
struct EndToEndTests {
    /// A shell as cron starts one: `PATH` and `HOME`, another folder, no terminal.
    private func cron(_ fixture: Fixture, _ line: String) async throws -> (TestProcess.Exit, String, String) {
        let shell = try TestProcess(
            "/bin/sh", ["-c", line],
            environment: ["HOME": fixture.home, "PATH": Fixture.executables + ":/usr/bin:/bin"], cwd: "/")
        return try await shell.finish(timeout: .seconds(60))
    }

    private func node(_ fixture: Fixture, _ id: String) async throws -> Node? {
        let list = try await fixture.run("hypi-ls", ["--json", id])
        guard list.exit == .status(0), let line = list.output.split(separator: "\n").first else { return nil }
        return try Node(json: JSON(parsing: String(line)))
    }

    @Test("list and talk work from another folder with nothing but PATH and HOME")
    func bareEnvironment() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        _ = try await fixture.run("hypi-ls", ["--wait", "idle", agent.id, "--timeout", "20"])
        let ids = try await cron(fixture, "hypi-ls | jq -r .id")
        #expect(ids == (.status(0), agent.id + "\n", ""))
        let answer = try await cron(fixture, "hypi-attach -p 'hello' \(agent.id)")
        #expect(answer.0 == .status(0))
        #expect(answer.1.contains("> hello"))
        #expect(answer.2 == "")
    }

    @Test("spawned agents outlive a hypivisor that is killed, keep id, process and conversation, and are listed again")
    func killedHypivisor() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (first, _) = try await fixture.startHypivisor()
        let folders = [try fixture.makeFolder("api"), try fixture.makeFolder("web")]
        let spawned = try await fixture.run("hypi-spawn", folders)
        #expect(spawned.exit == .status(0))
        #expect(spawned.errors == "")
        let before = try spawned.output.split(separator: "\n").map { try Node(json: JSON(parsing: String($0))) }
        #expect(Set(before.map(\.cwd)) == Set(folders))
        let told = try await fixture.run("hypi-attach", ["-p", "Remember the word heron.", "api"])
        #expect(told.exit == .status(0))

        first.signal(SIGKILL)
        _ = try await first.waitForExit()
        let lost = try await fixture.run("hypi-ls")
        #expect(lost.exit == .status(69))
        #expect(lost.errors.contains("start it with 'hypivisor'"))

        _ = try await fixture.startHypivisor()
        let back = try await fixture.run("hypi-ls", ["--wait", "ready", "--timeout", "20"] + before.map(\.id))
        #expect(back.exit == .status(0))
        for node in before {
            let now = try await self.node(fixture, node.id)
            #expect(now?.pid == node.pid)
            #expect(now?.status == .active)
        }
        let asked = try await fixture.run("hypi-attach", ["-p", "What did I say first?", "api"])
        #expect(asked.output.contains("heron"))
    }

    @Test("a viewer that is connected directly keeps its turn while the hypivisor is killed")
    func turnGoesOn() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(
            environment: ["HYPI_PI": Fixture.executable("pi-demo") + " --thinking off --rate 2000"])
        let viewer = try fixture.start("hypi-attach", ["-p", "/long 4000", agent.url.description])
        try await viewer.output.wait("the beginning of the answer") { bytes, _ in bytes.count > 200 }
        hypivisor.signal(SIGKILL)
        let (exit, output, errors) = try await viewer.finish()
        #expect(exit == .status(0))
        #expect(output.count >= 4000)
        #expect(errors == "")
    }

    @Test("an agent that is asked to stop ends, is gone from the list, and leaves no process behind")
    func stops() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let spawned = try await fixture.run("hypi-spawn", [try fixture.makeFolder("only")])
        #expect(spawned.exit == .status(0))
        let stopped = try await fixture.run("hypi-attach", ["--stop", "only"])
        #expect(stopped.exit == .status(0))
        let gone = try await fixture.run("hypi-ls", ["--wait", "gone", "--timeout", "20"])
        #expect(gone.exit == .status(0))
        hypivisor.signal(SIGTERM)
        #expect(try await hypivisor.waitForExit() == .status(0))
        #expect(Fixture.processes(withHome: fixture.home).isEmpty)
    }

    @Test("a wrong token is refused by every socket with status 77 and one line")
    func wrongToken() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent()
        for (tool, arguments) in [
            ("hypi-ls", []), ("hypi-dirs", []), ("hypi-attach", ["-p", "x", agent.url.description]),
        ] {
            let result = try await fixture.run(tool, arguments, environment: ["HYPI_TOKEN": "guess"])
            #expect(result.exit == .status(77), "\(tool): \(result.errors)")
            #expect(result.output == "")
            #expect(result.errors.hasPrefix("\(tool): "))
            #expect(result.errors.split(separator: "\n").count == 1)
        }
    }

    @Test("once a prompt is accepted nobody finds the agent idle before it has answered")
    func acceptedIsBusy() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        // At a person's pace, so that each turn is several changes.
        let agent = try await fixture.startAgent(["--pi", Fixture.executable("pi-demo")])
        for number in 1...6 {
            // Right behind another turn, when the registry has been told a lot already.
            #expect(try await fixture.run("hypi-attach", ["-p", "Go.", agent.id]).exit == .status(0))
            let sent = try await fixture.run("hypi-attach", ["-p", "Mark \(number).", "--no-wait", agent.id])
            #expect(sent.exit == .status(0))
            let waited = try await fixture.run("hypi-ls", ["--wait", "idle", agent.id, "--timeout", "20"])
            #expect(waited.exit == .status(0))
            let last = try await fixture.run("hypi-attach", ["--last", agent.id])
            #expect(last.output.contains("Mark \(number)."), "an older answer: \(last.output)")
        }
    }
}
