import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite("hypi-attach with several targets", .timeLimit(.minutes(3 * Effort.patience)))
struct HypiAttachSeveralTests {
    private func with(_ folders: [String], _ body: (Fixture, [String]) async throws -> Void) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let paths = try folders.map { try fixture.makeFolder($0) }
        let spawned = try await fixture.run("hypi-spawn", paths + ["--jobs", "1"])
        #expect(spawned.exit == .status(0), "\(spawned.errors)")
        let ids = try spawned.output.split(separator: "\n").map { try JSON(parsing: String($0))["id"]?.string ?? "" }
        try await body(fixture, ids)
    }

    @Test("ids, records with an id, CRLF, blanks and a byte order mark are targets on standard input")
    func targetsOnInput() async throws {
        try await with(["one", "two"]) { fixture, ids in
            let input = "\u{FEFF}\(ids[0])\r\n\r\n  {\"id\": \"\(ids[1])\"}  \r\n"
            let result = try await fixture.run("hypi-attach", ["-p", "hello", "-"], input: input)
            #expect(result.exit == .status(0), "\(result.errors)")
            #expect(result.output.split(separator: "\n").count == 2)
            for id in ids { #expect(result.output.contains(id)) }
            let wrong = try await fixture.run("hypi-attach", ["-p", "hello", "-"], input: "\(ids[0])\nnobody\n")
            #expect(wrong.exit == .status(65) && wrong.output.isEmpty)
            #expect(wrong.errors.hasPrefix("hypi-attach: standard input, line 2: "), "\(wrong.errors)")
            let both = try await fixture.run("hypi-attach", ["-p", "-", "-"], input: "x")
            #expect(both.exit == .status(64))
        }
    }

    @Test("--stop takes several and waits until they are gone; --no-wait does not; an agent that stops says so")
    func stop() async throws {
        try await with(["one", "two", "three"]) { fixture, ids in
            // A list has an order of its own, so each agent is asked for alone.
            var pids: [Int] = []
            for id in ids {
                pids.append(try #require(try JSON(parsing: try await fixture.run("hypi-ls", [id]).output)["pid"]?.int))
            }
            let wrong = try await fixture.run("hypi-attach", ["--stop", ids[0], "nobody"])
            #expect(wrong.exit == .status(1))
            #expect(try await fixture.run("hypi-ls", ["-q"]).output.split(separator: "\n").count == 3)

            let two = try await fixture.run("hypi-attach", ["--stop", ids[0], "-"], input: ids[1] + "\n")
            #expect(two.exit == .status(0), "\(two.errors)")
            for pid in pids.prefix(2) { #expect(!Self.isRunning(pid), "an agent outlived --stop") }
            #expect(try await fixture.run("hypi-ls", ["-q"]).output == ids[2] + "\n")
        }
    }

    /// Whether a process runs; one that has ended and was not waited for has no arguments any more.
    private static func isRunning(_ pid: Int) -> Bool {
        (try? Data(contentsOf: URL(fileURLWithPath: "/proc/\(pid)/cmdline")))?.isEmpty == false
    }

    @Test("an agent that stops says so, and is not taken for one that runs")
    func stopping() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let folder = try fixture.makeFolder("slow")
        let agent = try await fixture.startAgent(
            cwd: folder, environment: ["HYPI_PI": "sh -c '\(Fixture.executable("pi-demo")); sleep 6'"])
        let watch = try fixture.start("hypi-ls", ["--watch", agent.id])
        #expect(try await fixture.run("hypi-attach", ["--stop", "--no-wait", agent.id]).exit == .status(0))
        try await watch.output.wait("the activity") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("\"activity\":\"stopping\"")
        }
        let next = try await fixture.run("hypi-spawn", ["--if-absent", folder])
        #expect(next.exit == .status(0) && !next.output.contains(agent.id), "\(next)")
        #expect(try await fixture.run("hypi-attach", ["--stop", agent.id]).exit == .status(0))
        #expect(!Self.isRunning(Int(agent.process.pid)))
        watch.signal(SIGTERM)
    }

    @Test("--resume lifts a guard, of several agents too, and says where there was none")
    func resume() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(
            ["--max-cost", "0.000001"], cwd: try fixture.makeFolder("project"))
        _ = try await fixture.run("hypi-attach", ["-p", "hello", "\(agent.url)"])
        let blocked = try await fixture.run("hypi-attach", ["-p", "more", "\(agent.url)"])
        #expect(blocked.exit == .status(1), "\(blocked)")
        let resumed = try await fixture.run("hypi-attach", ["--resume", "\(agent.url)"])
        #expect(resumed.exit == .status(0) && resumed.errors.isEmpty, "\(resumed.errors)")
        let free = try await fixture.run("hypi-attach", ["--resume", "\(agent.url)"])
        #expect(free.exit == .status(0) && free.errors.contains("no guard has stopped this agent"), "\(free.errors)")
        #expect(try await fixture.run("hypi-attach", ["-p", "again", "\(agent.url)"]).output.contains("> again"))
        agent.process.signal(SIGTERM)
    }

    @Test("without a target the agent of this folder is taken")
    func thisFolder() async throws {
        try await with(["one", "two"]) { fixture, ids in
            let here = try await fixture.run("hypi-attach", ["-p", "hello"], cwd: fixture.home + "/two")
            #expect(here.exit == .status(0), "\(here.errors)")
            #expect(try await fixture.run("hypi-attach", ["--last", ids[1]]).output.contains("> hello"))
            #expect(try await fixture.run("hypi-attach", ["-p", "hello"], cwd: fixture.home).exit == .status(64))
        }
    }

    @Test("Ctrl-C says that the agent continues; a second one aborts its turn")
    func interrupt() async throws {
        try await with(["one"]) { fixture, ids in
            for isTwice in [false, true] {
                let busy = try fixture.start("hypi-attach", ["-p", "/hang", ids[0]])
                try await busy.output.wait("a beginning") { bytes, _ in !bytes.isEmpty }
                busy.signal(SIGINT)
                try await busy.errors.wait("a note") { bytes, _ in
                    String(decoding: bytes, as: UTF8.self).contains("the agent is still running")
                }
                if isTwice { busy.signal(SIGINT) }
                let result = try await busy.finish()
                #expect(result.exit == .signal(SIGINT), "\(result)")
                #expect(result.errors.contains("hypi-attach --abort \(ids[0])"))
                let activity = try await fixture.run("hypi-ls", ["--json", ids[0]]).output
                if isTwice {
                    #expect(result.errors.contains("the turn was aborted"))
                    let wait = try await fixture.run("hypi-ls", ["--wait", "idle", "--timeout", "5", ids[0]])
                    #expect(wait.exit == .status(0))
                } else {
                    #expect(activity.contains("\"activity\":\"working\""), "\(activity)")
                    #expect(try await fixture.run("hypi-attach", ["--abort", ids[0]]).exit == .status(0))
                }
            }
        }
    }

    @Test("--jsonl-in: good lines before a bad one are answered; an open input does not outlast --timeout or the agent")
    func commands() async throws {
        try await with(["one"]) { fixture, ids in
            let lines = (1...300).map { "{\"id\":\($0),\"type\":\"get_state\"}\r\n" }.joined()
            let bad = try await fixture.run("hypi-attach", ["--jsonl-in", ids[0]], input: "\u{FEFF}" + lines + "bad\n")
            #expect(bad.exit == .status(65) && bad.errors.contains("line 301"), "\(bad.errors)")
            for id in [1, 128, 129, 300] { #expect(bad.output.contains("\"id\":\(id),"), "answer \(id)") }

            let open = try fixture.start("hypi-attach", ["--jsonl-in", "--timeout", "1", ids[0]], input: .pipe)
            #expect(try await open.finish().exit == .status(124))
            let gone = try fixture.start("hypi-attach", ["--jsonl-in", ids[0]], input: .pipe)
            gone.send("{\"id\":1,\"type\":\"get_state\"}\n")
            try await gone.output.wait("an answer") { bytes, _ in
                String(decoding: bytes, as: UTF8.self).contains("\"id\":1")
            }
            #expect(try await fixture.run("hypi-attach", ["--stop", ids[0]]).exit == .status(0))
            #expect(try await gone.finish().exit == .status(1))
        }
    }
}
