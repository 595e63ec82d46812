import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// pi-socket as a Unix process.
@Suite("pi-socket as a process") struct PiSocketProcessTests {
    @Test("--stdio is a drop-in for pi --mode rpc, and others may watch") func stdio() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let process = try fixture.start(
            "pi-socket", ["--stdio", "--port", "0", "--standalone", "--id", "embedded", "--pi", "pi-demo --rate 0"],
            input: .pipe)
        // Commands that come before pi is there wait for it, as they wait in pi's pipe.
        process.send("{\"id\":[1],\"type\":\"get_state\"}\n{\"type\":\"prompt\",\"message\":\"hello\"}\nnot json\n")
        try await process.output.wait("the end of the run") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("{\"type\":\"agent_settled\"}\n")
        }
        try await process.errors.wait("the ready line in the log") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("url=")
        }
        let log = process.errors.text
        let url = try #require(
            log.firstRange(of: "url=").map { String(log[$0.upperBound...].prefix { !$0.isWhitespace }) })
        let viewer = try await Viewer(try #require(WebSocketURL(url)), token: try fixture.token())
        let initState = try await viewer.frame("init_state") { $0["type"] == "init_state" }
        #expect(initState["messages"]?.array?.count == 2)
        process.send("{\"id\":2,\"type\":\"prompt\",\"message\":\"/ask confirm --keep\"}\n")
        let dialog = try await viewer.frame("the dialog") { $0["method"] == "confirm" }
        process.send(
            "{\"type\":\"extension_ui_response\",\"id\":\(try #require(dialog["id"]).text),\"confirmed\":true}\n")
        _ = try await viewer.frame("the answer") { $0["message"]?["role"] == "custom" }
        // The last command has no LF and is done all the same.
        process.send("{\"id\":\"last\",\"type\":\"get_messages\"}")
        process.closeInput()
        let end = try await process.finish()
        #expect(end.exit == .status(0))
        let lines = end.output.split(separator: "\n").map { (try? JSON(parsing: String($0))) ?? .null }
        #expect(!lines.contains(.null))
        let answers = lines.filter { $0["type"] == "response" }
        #expect(answers.first { $0["id"] == [1] }?["command"] == "get_state")
        #expect(answers.contains { $0["command"] == "parse" && $0["success"] == false })
        #expect(answers.last?["id"] == "last")
        // Our own questions and frames stay with us.
        #expect(answers.count == 5)
        #expect(!lines.contains { $0["type"] == "extension_ui_resolved" })
    }

    @Test("what a program reads from --stdio is what it would read from pi") func sameAsPi() async throws {
        let steps: [(command: String, end: String)] = [
            ("{\"id\":1,\"type\":\"prompt\",\"message\":\"hello\"}", "agent_settled"),
            ("{\"type\":\"prompt\",\"message\":\"!echo one\"}", "agent_settled"),
            ("not json", "response"), ("{\"id\":2,\"type\":\"strange\"}", "response"), ("[1]", "response"),
            ("{\"id\":\"b\",\"type\":\"bash\",\"command\":\"echo two\"}", "response"),
            ("{\"id\":3,\"type\":\"set_session_name\",\"name\":\"x\"}", "response"),
            ("{\"id\":4,\"type\":\"new_session\"}", "response"),
            ("{\"id\":5,\"type\":\"get_messages\"}", "response"),
        ]
        var outputs: [[String]] = []
        for (tool, arguments) in [
            ("pi-demo", ["--mode", "rpc", "--rate", "0"]),
            ("pi-socket", ["--stdio", "--port", "0", "--standalone", "--pi", "pi-demo --rate 0"]),
        ] {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let process = try fixture.start(tool, arguments, input: .pipe)
            var seen = 0
            for step in steps {
                process.send(step.command + "\n")
                let start = seen
                try await process.output.wait("\(step.end) after \(step.command)") { bytes, _ in
                    Self.kinds(bytes).dropFirst(start).contains { $0.hasPrefix(step.end) }
                }
                seen = Self.kinds(process.output.bytes).count
            }
            process.closeInput()
            let end = try await process.finish()
            #expect(end.exit == .status(0))
            outputs.append(Self.kinds(Array(end.output.utf8)))
        }
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0].count > 20)
    }

    /// What each whole line is: its type, and of an answer everything but times and names.
    private static func kinds(_ bytes: [UInt8]) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map { line in
            guard let json = try? JSON(parsing: ByteBuffer(bytes: line)), let type = json["type"]?.string else {
                return "no record: \(String(decoding: line, as: UTF8.self))"
            }
            guard type == "response" else { return type }
            return
                "response \(json["id"]?.text ?? "-") \(json["command"]?.text ?? "-") \(json["success"]?.text ?? "-") "
                + (json["error"]?.text ?? "")
        }
    }

    @Test("with --stdio pi's crash is the end, as it is of pi; --restart on-failure says otherwise") func stdioCrash()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let embedded = ["--stdio", "--port", "0", "--standalone", "--pi", "pi-demo --rate 0"]
        let crash = "{\"id\":1,\"type\":\"prompt\",\"message\":\"/crash\"}\n"
        let process = try fixture.start("pi-socket", embedded, input: .pipe)
        process.send(crash)
        let end = try await process.finish()
        #expect(end.exit == .status(1))
        #expect(end.errors.contains("pi ended: exit status 1"))
        #expect(!end.output.contains("agent_exit"))

        let stubborn = try fixture.start("pi-socket", embedded + ["--restart", "on-failure"], input: .pipe)
        stubborn.send(crash)
        try await stubborn.errors.wait("pi has ended") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("pi has ended")
        }
        try await within(.seconds(20), "the next pi answers") {
            var number = 2
            while !stubborn.output.text.contains("\"success\":true,\"data\":{\"messages\"") {
                stubborn.send("{\"id\":\(number),\"type\":\"get_messages\"}\n")
                number += 1
                // There is nothing in pi's protocol that says that pi is back.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        stubborn.closeInput()
        #expect(try await stubborn.waitForExit() == .status(0))
    }

    @Test("--detach prints the ready line, outlives its terminal's hang-up and stops when asked") func detach()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let run = try await fixture.run(
            "pi-socket", ["--detach", "--standalone", "--port", "0", "--pi", "pi-demo --rate 0"])
        #expect(run.exit == .status(0))
        let ready = try JSON(parsing: run.output)
        #expect(ready["event"] == "ready" && ready["cwd"]?.string == fixture.home)
        let pid = pid_t(try #require(ready["pid"]?.int))
        #expect(getsid(pid) == pid)
        let url = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) })
        kill(pid, SIGHUP)
        let viewer = try await Viewer(url, token: try fixture.token())
        _ = try await viewer.frame("init_state") { $0["type"] == "init_state" }
        // Signals are as a fresh process has them, whatever our threads block: pi-socket and pi hear SIGTERM.
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        #expect(status.contains("SigBlk:\t0000000000000000"))
        viewer.send("/stop")
        try await viewer.wait("the end") { $0.closure != nil }
        #expect(viewer.frames.closure?.code == .goingAway)
    }

    @Test("pi inherits no descriptor but its three pipes") func descriptors() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let script = fixture.home + "/pi.sh"
        try "ls -l /proc/$$/fd >\(fixture.home)/fds\nexec pi-demo --rate 0 \"$@\"\n"
            .write(toFile: script, atomically: true, encoding: .utf8)
        _ = try await fixture.startAgent(["--standalone", "--pi", "sh \(script)"])
        let list = try String(contentsOfFile: fixture.home + "/fds", encoding: .utf8)
        #expect(list.components(separatedBy: "pipe:[").count == 4, "\(list)")
        #expect(!list.contains("socket:["), "\(list)")
    }

    @Test("hooks get the event on stdin and in the environment, one after the other") func hooks() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let log = fixture.home + "/events"
        let script = fixture.home + "/hook.sh"
        try "{ echo \"$HYPI_EVENT $HYPI_ID $HYPI_NAME $HYPI_CWD ${HYPI_MACHINE:+m}\"; cat; } >>\(log)\n"
            .write(toFile: script, atomically: true, encoding: .utf8)
        let agent = try await fixture.startAgent([
            "--standalone", "--id", "hooked", "--name", "worker", "--hook", "sh \(script); exit 3",
            "--pi", "pi-demo --rate 0",
        ])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("hello")
        _ = try await viewer.frame("the end of the run") { $0["type"] == "agent_settled" }
        viewer.send("/ask confirm")
        let dialog = try await viewer.frame("a dialog") { $0["method"] == "confirm" }
        viewer.send(["type": "extension_ui_response", "id": dialog["id"] ?? .null, "confirmed": true])
        _ = try await viewer.frame("the dialog's end") { $0["type"] == "extension_ui_resolved" }
        kill(agent.process.pid, SIGTERM)
        let end = try await agent.process.finish()
        let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
        let heads = lines.filter { !$0.hasPrefix("{") }
        #expect(
            heads.map { $0.split(separator: " ").first.map(String.init) ?? "" }
                == ["ready", "settled", "input-required", "exit"])
        #expect(heads.allSatisfy { $0.hasSuffix("hooked worker \(fixture.home) m") })
        let records = lines.filter { $0.hasPrefix("{") }.compactMap { try? JSON(parsing: $0) }
        #expect(records.map { $0["event"]?.string } == ["ready", "settled", "input-required", "exit"])
        // pi tells what the answer cost behind its end; the dialog was for free.
        let (settled, last) = (records.dropFirst().first?["node"], records.last?["node"])
        #expect(try #require(settled?["cost"]?.double) > 0)
        #expect(settled?["cost"] == last?["cost"] && settled?["tokens"] == last?["tokens"])
        #expect(records.dropFirst(2).first?["request"]?["method"] == "confirm")
        #expect(records.allSatisfy { $0["node"]?["id"] == "hooked" })
        // What the hook did with it is its affair; that it failed is said.
        #expect(end.errors.contains("hook failed"))
    }

    @Test("--idle-exit ends an agent that nobody watches and that does nothing") func idleExit() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--idle-exit", "300ms", "--pi", "pi-demo --rate 0"])
        #expect(try await agent.process.waitForExit() == .status(0))
    }

    @Test("a run that takes longer than --max-turn is stopped, and goes on when a person says so")
    func maxTurn() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(["--standalone", "--max-turn", "300ms", "--pi", "pi-demo --rate 0"])
        let viewer = try await Viewer(agent.url, token: try fixture.token())
        viewer.send("/hang")
        let trip = try await viewer.frame("the guard") { $0["type"] == "guard" }
        #expect(trip["guard"] == "max-turn")
        _ = try await viewer.frame("the end of the run") { $0["type"] == "agent_settled" }
        viewer.send("refused")
        let refusal = try await viewer.frame("a refusal") { $0["type"] == "response" && $0["success"] == false }
        #expect(refusal["error"]?.string?.contains("resume") == true)
        let before = viewer.frames.all.count
        viewer.send(["type": "resume"])
        viewer.send("hello")
        _ = try await viewer.frame("another run", from: before) { $0["type"] == "agent_settled" }
    }
}
