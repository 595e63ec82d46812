import HypiWire
import PiAdapter
import Testing

/// What versions of pi after 0.84 say in addition.
@Suite("Records of newer versions") struct NewRecordTests {
    @Test(
        "a summary that is tried again is a retry, until it works or the compaction ends",
        arguments: ["summarization_retry_start", "summarization_retry_scheduled", "summarization_retry_attempt_start"])
    func summaryRetry(type: String) throws {
        var tracker = ActivityTracker()
        tracker.answered("get_state", success: true)
        for (type, activity) in [
            ("compaction_start", Node.Activity.compacting), (type, .retrying),
            ("summarization_retry_finished", .compacting), (type, .retrying), ("compaction_end", .idle),
            ("compaction_start", .compacting),
        ] {
            tracker.apply(try #require(PiRecord("{\"type\":\"\(type)\"}")))
            #expect(tracker.activity == activity, "\(type)")
        }
    }

    @Test("a pi without a model names none") func noModel() {
        #expect(PiState(["model": ["provider": "unknown", "id": "unknown"]]).model == nil)
        #expect(PiState(["model": ["id": "unknown"]]).model == nil)
        #expect(PiState(["model": ["provider": "local", "id": "unknown"]]).model == "local/unknown")
    }
}
