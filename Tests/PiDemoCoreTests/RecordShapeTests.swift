import HypiWire
import Testing

/// With `--cumulative` every object has the keys, in the order, that a real pi gave it.
@Suite("Shapes of records", .serialized)
struct RecordShapeTests {
    static let recorded: Set<Shape> = {
        let recordings = Recording.all.compactMap { try? Recording($0) }
        return recordings.flatMap(\.output).reduce(into: []) { $0.formUnion(Shape.all(in: $1)) }
    }()

    private func expectRecorded(_ records: [JSON]) {
        #expect(!records.isEmpty)
        for record in records {
            for shape in Shape.all(in: record) where !Self.recorded.contains(shape) {
                Issue.record("no pi sent \(shape) as in \(record.text.prefix(400))")
            }
        }
    }

    @Test("all recordings are there")
    func recordings() throws {
        for name in Recording.all { #expect(try Recording(name).output.count > 3) }
    }

    @Test(
        "text, thinking, tools, failures and retries have the recorded keys",
        arguments: ["hello", "!echo a; exit 2", "!echo a", "/error", "/retry 1", "/retry 9", "/tool 2", "/big 100"])
    func runs(prompt: String) throws {
        let demo = try DemoProcess(["--cumulative"])
        demo.send(["id": "p", "type": "prompt", "message": .string(prompt)])
        var last: JSON = .null
        let records = try demo.records { record in
            let isRetrying = last["messages"]?.array?.last?["errorMessage"]?.string?.hasPrefix("529") == true
            defer { if record["type"] == "agent_end" { last = record } }
            if record["type"] == "auto_retry_end", record["success"] == false { return true }
            return record["type"] == "agent_end" && !isRetrying && !prompt.hasPrefix("/retry")
                || prompt == "/retry 1" && record["type"] == "agent_end" && last["type"] != nil
        }
        expectRecorded(records)
    }

    @Test("an abort in a text and one in a tool have the recorded keys")
    func aborts() throws {
        let demo = try DemoProcess(["--cumulative"], rate: 200)
        for (prompt, sign) in [("/long 5000", "message_update"), ("!echo a; sleep 60", "tool_execution_update")] {
            demo.send(["id": "p", "type": "prompt", "message": .string(prompt)])
            expectRecorded(try demo.records { $0["type"]?.string == sign })
            demo.send(["id": "a", "type": "abort"])
            expectRecorded(try demo.records { DemoProcess.isResponse($0, "a") })
        }
    }

    @Test("answers to commands have the recorded keys")
    func commands() throws {
        let demo = try DemoProcess(["--cumulative"])
        expectRecorded(try demo.prompt("hello", isCumulative: true))
        let commands: [JSONObject] = [
            ["type": "get_state"], ["type": "get_messages"], ["type": "get_commands"], ["type": "get_session_stats"],
            ["type": "get_available_models"], ["type": "get_last_assistant_text"], ["type": "get_fork_messages"],
            ["type": "bash", "command": "echo hi; exit 3"], ["type": "set_session_name", "name": "n"],
            ["type": "get_messages"], ["type": "set_thinking_level", "level": "high"], ["type": "cycle_thinking_level"],
            ["type": "set_model", "provider": "demo", "modelId": "demo-small"],
            ["type": "set_model", "provider": "demo", "modelId": "nope"], ["type": "cycle_model"],
            ["type": "set_steering_mode", "mode": "all"], ["type": "set_follow_up_mode", "mode": "all"],
            ["type": "get_state"], ["type": "set_auto_compaction", "enabled": false],
            ["type": "set_auto_retry", "enabled": false], ["type": "export_html"], ["type": "abort"],
            ["type": "abort_bash"], ["type": "abort_retry"], ["type": "compact"], ["type": "get_messages"],
            ["type": "new_session"], ["type": "get_last_assistant_text"],
        ]
        for command in commands { expectRecorded([try demo.ask(command)]) }
    }

    @Test("dialogs and notifications have the recorded keys")
    func dialogs() throws {
        let demo = try DemoProcess(["--cumulative"])
        for prompt in ["/ask all", "/ask select --timeout 20", "/notify hi", "/ask input --keep", "/ask nonsense"] {
            demo.send(["id": "d", "type": "prompt", "message": .string(prompt)])
        }
        demo.send(["id": "end", "type": "bash", "command": "sleep 0.2"])
        let records = try demo.records { record in
            if record["title"] != nil, record["timeout"] == nil {
                demo.send(["type": "extension_ui_response", "id": record["id"] ?? "", "value": "x"])
            }
            return DemoProcess.isResponse(record, "end")
        }
        expectRecorded(records)
        #expect(records.contains { $0["message"]?["role"] == "custom" })
        #expect(records.contains { $0["type"] == "extension_error" })
    }

    @Test("a context that is nearly full is compacted as recorded")
    func autoCompaction() throws {
        let demo = try DemoProcess(["--cumulative", "--model", "demo-tiny:off"])
        demo.send(["id": "p", "type": "prompt", "message": "/long 16000"])
        expectRecorded(try demo.records { $0["type"] == "auto_compaction_end" })
    }
}
