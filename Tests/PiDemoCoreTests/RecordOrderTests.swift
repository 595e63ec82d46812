import HypiWire
import Testing

/// With `--cumulative` records come in the order in which a real pi sent them.
@Suite("Order of records", .serialized)
struct RecordOrderTests {
    /// What pi sent from the answer to the prompt `id` up to the next record of this type.
    private func recorded(_ name: String, from id: JSON, through type: String, count: Int = 1) throws -> [String] {
        let output = try Recording(name).output
        let start = try #require(output.firstIndex { DemoProcess.isResponse($0, id) })
        var left = count
        var part: [JSON] = []
        for record in output[start...] {
            part.append(record)
            if record["type"]?.string == type { left -= 1 }
            if left == 0 { break }
        }
        return sequence(part)
    }

    @Test("a text") func text() throws {
        let demo = try DemoProcess(["--cumulative", "--thinking", "off"])
        let order = sequence(try demo.prompt("hello", isCumulative: true))
        #expect(try order == recorded("02-text", from: "p", through: "agent_end"))
    }

    @Test("thinking and text") func thinking() throws {
        let demo = try DemoProcess(["--cumulative"])
        let order = sequence(try demo.prompt("hello", isCumulative: true))
        #expect(try order == recorded("03-thinking", from: "p", through: "agent_end"))
    }

    @Test("a tool and a text") func tool() throws {
        let demo = try DemoProcess(["--cumulative"])
        let order = sequence(try demo.prompt("!echo a; sleep 0.1; echo b", isCumulative: true))
        #expect(try order == recorded("12-unicode", from: "b", through: "agent_end"))
    }

    @Test("a failure without a retry") func failure() throws {
        let demo = try DemoProcess(["--cumulative"])
        let order = sequence(try demo.prompt("/error", isCumulative: true))
        #expect(try order == recorded("08-errors", from: "a", through: "agent_end"))
    }

    @Test("a retry that succeeds") func retry() throws {
        let demo = try DemoProcess(["--cumulative"])
        let first = try demo.prompt("/retry 1", isCumulative: true)
        let order = sequence(first + (try demo.records(until: DemoProcess.ends(true))))
        #expect(try order == recorded("08-errors", from: "b", through: "agent_end", count: 2))
    }

    @Test("retries that are exhausted") func exhausted() throws {
        let demo = try DemoProcess(["--cumulative"])
        demo.send(["id": "p", "type": "prompt", "message": "/retry 9"])
        let order = sequence(try demo.records { $0["type"] == "auto_retry_end" })
        #expect(try order == recorded("real-0.58.3/07c-retry-exhausted", from: "req-1", through: "auto_retry_end"))
    }

    @Test("an abort in a text") func abortText() throws {
        let demo = try DemoProcess(["--cumulative", "--thinking", "off"], rate: 200)
        demo.send(["id": "p", "type": "prompt", "message": "/long 5000"])
        let before = try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "x", "type": "abort"])
        let order = sequence(before + (try demo.records { DemoProcess.isResponse($0, "x") }))
        #expect(try order == recorded("07-abort", from: "p", through: "agent_end") + ["response abort true"])
    }

    @Test("an abort in a tool") func abortTool() throws {
        let demo = try DemoProcess(["--cumulative"])
        demo.send(["id": "p", "type": "prompt", "message": "!echo start; sleep 60"])
        let before = try demo.records { $0["type"] == "tool_execution_update" }
        demo.send(["id": "x", "type": "abort"])
        let order = sequence(before + (try demo.records { DemoProcess.isResponse($0, "x") }))
        let expected = try recorded("real-0.58.3/06b-abort-tool", from: "req-1", through: "agent_end")
        #expect(order == expected + ["response abort true"])
    }

    @Test("prompts while busy: refused, queued, steered") func busy() throws {
        let demo = try DemoProcess(["--cumulative", "--thinking", "off"], rate: 500)
        demo.send(["id": "a", "type": "prompt", "message": "/long 300"])
        var records = try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "b", "type": "prompt", "message": "refused?"])
        demo.send(["id": "c", "type": "prompt", "message": "after", "streamingBehavior": "followUp"])
        demo.send(["id": "d", "type": "prompt", "message": "steer", "streamingBehavior": "steer"])
        demo.send(["id": "e", "type": "follow_up", "message": "last"])
        demo.send(["id": "f", "type": "get_state"])
        records += try demo.records { DemoProcess.isResponse($0, "f") }
        #expect(records.last?["data"]?["pendingMessageCount"] == 3)
        records += try demo.records(until: DemoProcess.ends(true))
        // pi may answer get_state before the follow_up behind which it was sent; compare what does not race.
        let racing = ["response follow_up true", "response get_state true", "message_update"]
        let expected = try recorded("05-busy", from: "a", through: "agent_end").filter { !racing.contains($0) }
        #expect(sequence(records).filter { !racing.contains($0) } == expected)
        let order = records.filter { $0["message"]?["role"] == "user" && $0["type"] == "message_end" }
        #expect(
            order.compactMap { $0["message"]?["content"]?[0]?["text"]?.string } == [
                "/long 300", "steer", "after", "last",
            ])
    }

    @Test("a prompt in the wait before a retry takes the next attempt along") func promptDuringRetry() throws {
        let demo = try DemoProcess(["--cumulative", "--thinking", "off"])
        demo.send(["id": "p", "type": "prompt", "message": "/retry 1"])
        try demo.records { $0["type"] == "auto_retry_start" }
        demo.send(["id": "q", "type": "prompt", "message": "hello"])
        let order = sequence(try demo.records(until: DemoProcess.ends(true)))
        #expect(
            order == [
                "response prompt true", "agent_start", "turn_start", "message_start user", "message_end user ",
                "message_start assistant", "message_update", "message_end assistant stop", "auto_retry_end", "turn_end",
                "agent_end",
            ])
    }
}
