import Foundation
import HypiWire
import Testing

/// How `pi-demo` ends: as pi does.
@Suite("The end of pi-demo", .serialized)
struct PiDemoEndTests {
    @Test("at the end of the input it finishes the turn, then exits 0; a last line without LF counts")
    func endOfInput() throws {
        let demo = try DemoProcess(rate: 2000)
        demo.send(bytes: Data(#"{"id":"p","type":"prompt","message":"/long 500"}"#.utf8))
        demo.closeInput()
        let records = try demo.rest()
        #expect(records.last?["type"] == "agent_settled")
        #expect(try demo.status() == 0)
    }

    @Test(
        "at the end of the input it finishes tools, bash commands and retries",
        arguments: ["!sleep 0.3; echo done", "/retry 2"])
    func endOfInputBusy(prompt: String) throws {
        let demo = try DemoProcess()
        demo.send(["id": "b", "type": "bash", "command": "sleep 0.2; echo bash"])
        demo.send(["id": "p", "type": "prompt", "message": .string(prompt)])
        demo.closeInput()
        let records = try demo.rest()
        #expect(records.contains { DemoProcess.isResponse($0, "b") && $0["data"]?["output"] == "bash\n" })
        #expect(records.last { $0["type"] == "message_end" }?["message"]?["stopReason"] == "stop")
        #expect(records.contains { $0["type"] == "agent_settled" })
        #expect(try demo.status() == 0)
    }

    @Test("at the end of the input an open dialog and a hanging turn are dropped", arguments: ["/ask all", "/hang"])
    func endOfInputWaiting(prompt: String) throws {
        let demo = try DemoProcess()
        demo.send(["id": "p", "type": "prompt", "message": .string(prompt)])
        try demo.records { $0["type"] == "extension_ui_request" || $0["type"] == "message_update" }
        demo.closeInput()
        #expect(try demo.status() == 0)
    }

    @Test("a signal ends it at once, and its tools live on", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signals(number: Int32) throws {
        let demo = try DemoProcess()
        demo.send(["id": "p", "type": "prompt", "message": "!echo $$; exec sleep 60"])
        let update = try demo.records { $0["type"] == "tool_execution_update" }.last
        let text = update?["partialResult"]?["content"]?[0]?["text"]?.string ?? ""
        let tool = try #require(Int32(text.dropLast()))
        defer { kill(tool, SIGKILL) }
        kill(demo.pid, number)
        #expect(try demo.status() == -number)
        #expect(getpgid(tool) == tool)
    }

    @Test("an abort ends the whole group of a tool")
    func abortGroup() throws {
        let demo = try DemoProcess()
        demo.send(["id": "p", "type": "prompt", "message": "!sleep 60 & echo $!; wait"])
        let update = try demo.records { $0["type"] == "tool_execution_update" }.last
        let text = update?["partialResult"]?["content"]?[0]?["text"]?.string ?? ""
        let child = try #require(Int32(text.dropLast()))
        #expect(try demo.ask(["type": "abort"])["success"] == true)
        demo.closeInput()
        #expect(try demo.status() == 0)
        // Killed; until its new parent has collected it, it may still be listed as a zombie.
        let stat = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
        #expect(stat.map { $0.contains(") Z ") } ?? true)
    }

    @Test("a reader that goes away ends it with status 1 and EPIPE")
    func brokenPipe() throws {
        let demo = try DemoProcess(rate: 1000)
        demo.send(["id": "p", "type": "prompt", "message": "/long 100000"])
        try demo.records { $0["type"] == "message_update" }
        demo.closeOutput()
        #expect(try demo.status() == 1)
        #expect(demo.errorText.contains("EPIPE"))
    }

    @Test("/crash exits 1 with a stack trace; /noise is a line that is no JSON")
    func crash() throws {
        let demo = try DemoProcess()
        demo.send(["id": "n", "type": "prompt", "message": "/noise"])
        let noise = try demo.records { DemoProcess.isResponse($0, "n") }
        #expect(noise.first?.string == "pi-demo: a line that is not JSON")
        demo.send(["id": "c", "type": "prompt", "message": "/crash"])
        #expect(try demo.status() == 1)
        #expect(demo.errorText.contains("    at Agent.crash"))
    }

    @Test("options of pi that it does not know are ignored with one line")
    func unknownOptions() throws {
        let demo = try DemoProcess(["--tools", "read,bash", "-e", "ext.ts", "--provider", "x", "--verbose"])
        #expect(try demo.ask(["type": "get_state"])["success"] == true)
        demo.closeInput()
        #expect(try demo.status() == 0)
        #expect(demo.errorText == "pi-demo: ignoring --tools read,bash --verbose")
    }

    @Test("invalid UTF-8 becomes U+FFFD, and a CR before the LF is no part of the line")
    func encoding() throws {
        let demo = try DemoProcess()
        demo.send(bytes: Data(#"{"id":1,"type":"set_session_name","name":"a"#.utf8) + [0xFF] + Data("\"}\r\n".utf8))
        #expect(try demo.ask(["type": "get_state"])["data"]?["sessionName"] == "a\u{FFFD}")
    }
}
