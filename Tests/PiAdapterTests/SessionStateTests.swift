import HypiWire
import NIOCore
import PiAdapter
import Testing

/// What is known of a session from its records alone.
@Suite("State from records") struct SessionStateTests {
    /// Records of runs that were killed in their middle have no end.
    private static let endless = ["13-sigterm-busy.jsonl"]

    @Test("at the end of every recorded run the agent is idle", arguments: Recording.all)
    func activity(recording: Recording) throws {
        guard !Self.endless.contains(recording.name) else { return }
        var tracker = ActivityTracker()
        #expect(tracker.activity == .starting)
        for record in try recording.records() {
            if let response = PiResponse(record) {
                tracker.answered(response.command ?? "", success: response.success)
            } else {
                tracker.apply(record)
            }
        }
        // Of a pi without agent_settled get_state has the last word.
        if tracker.needsConfirmation { tracker.corrected(isStreaming: false, isCompacting: false) }
        #expect(tracker.activity == .idle)
        #expect(tracker.isAtRest)
    }

    @Test("a retry is on until it succeeds or is given up") func retrying() throws {
        var tracker = ActivityTracker()
        tracker.answered("get_state", success: true)
        let steps: [(String, Node.Activity)] = [
            ("agent_start", .working), ("agent_end", .working), ("auto_retry_start", .retrying),
            ("agent_start", .working), ("auto_retry_end", .working), ("agent_end", .working),
            ("auto_compaction_start", .compacting), ("auto_compaction_end", .working),
        ]
        for (type, activity) in steps {
            tracker.apply(try #require(PiRecord("{\"type\":\"\(type)\"}")))
            // While a retry is to come, that nothing streams means nothing.
            if activity == .retrying { tracker.corrected(isStreaming: false, isCompacting: false) }
            #expect(tracker.activity == activity, "\(type)")
        }
        tracker.corrected(isStreaming: false, isCompacting: false)
        #expect(tracker.activity == .idle)
    }

    @Test("a pi that has never said agent_settled is idle when get_state says so, whatever agent_end promises")
    func unsettled() throws {
        var tracker = ActivityTracker()
        for willRetry in ["", ",\"willRetry\":false", ",\"willRetry\":true"] {
            tracker.apply(try #require(PiRecord("{\"type\":\"agent_start\"}")))
            tracker.apply(try #require(PiRecord("{\"type\":\"agent_end\"\(willRetry)}")))
            #expect(tracker.needsConfirmation)
            tracker.corrected(isStreaming: true, isCompacting: false)
            #expect(tracker.activity == .working)
            tracker.corrected(isStreaming: false, isCompacting: false)
            #expect(tracker.activity == .idle)
        }
    }

    @Test("a pi that has said agent_settled says it after every run, whatever get_state says") func settled() throws {
        var tracker = ActivityTracker()
        tracker.answered("get_state", success: true)
        for isFirst in [true, false] {
            tracker.apply(try #require(PiRecord("{\"type\":\"agent_start\"}")))
            tracker.apply(try #require(PiRecord("{\"type\":\"agent_end\",\"willRetry\":false}")))
            #expect(tracker.needsConfirmation == isFirst)
            if !isFirst { tracker.corrected(isStreaming: false, isCompacting: false) }
            #expect(tracker.activity == .working)
            tracker.apply(try #require(PiRecord("{\"type\":\"agent_settled\"}")))
            #expect(tracker.activity == .idle)
        }
    }

    @Test(
        "a session that is replaced or compacted cuts the run off",
        arguments: ["new_session", "switch_session", "compact"])
    func cutOff(command: String) throws {
        var tracker = ActivityTracker()
        tracker.apply(try #require(PiRecord("{\"type\":\"agent_start\"}")))
        tracker.sent(command)
        tracker.answered(command, success: true)
        #expect(tracker.activity == .idle)
    }

    @Test("a dialog before pi has answered anything does not make the agent usable") func earlyDialog() {
        var tracker = ActivityTracker()
        tracker.setOpenDialogs(1)
        #expect(tracker.activity == .starting)
        tracker.answered("get_state", success: true)
        #expect(tracker.activity == .inputRequired)
    }

    @Test("the message put together from deltas is the one that ends, in every record", arguments: Recording.all)
    func partial(recording: Recording) throws {
        var inFlight = InFlight()
        for record in try recording.records() {
            let before = inFlight.partial
            inFlight.apply(record)
            guard record.kind == .messageEnd, let before else { continue }
            let message = try record.json()["message"] ?? .null
            // One that was aborted may end with less, or more, than it had said.
            guard message["role"] == "assistant", message["stopReason"] != "aborted", message["stopReason"] != "error"
            else { continue }
            #expect(try Self.text(JSON(parsing: before)) == Self.text(message))
        }
        #expect(inFlight.runningTools.isEmpty || Self.endless.contains(recording.name))
    }

    private static func text(_ message: JSON) -> [[String]] {
        (message["content"]?.array ?? []).map { block in
            [
                block["type"]?.string ?? "",
                block["text"]?.string ?? block["thinking"]?.string ?? block["id"]?.string ?? "",
            ]
        }
    }

    @Test("an extension's message in mid-answer does not end the answer") func custom() throws {
        var inFlight = InFlight()
        let lines = [
            "{\"type\":\"message_start\",\"message\":{\"role\":\"assistant\",\"content\":[]}}",
            "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"contentIndex\":0,\"delta\":\"a\"}}",
            "{\"type\":\"message_start\",\"message\":{\"role\":\"custom\"}}",
            "{\"type\":\"message_end\",\"message\":{\"role\":\"custom\"}}",
            "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"contentIndex\":0,\"delta\":\"\\n\"}}",
        ]
        for line in lines { inFlight.apply(try #require(PiRecord(line))) }
        #expect(
            inFlight.partial.map { String(buffer: $0) }
                == "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\\n\"}]}")
    }
}
