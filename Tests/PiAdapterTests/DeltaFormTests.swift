import HypiWire
import NIOCore
import PiAdapter
import Testing

@Suite("The delta form") struct DeltaFormTests {
    private func delta(_ line: String) -> String? {
        PiRecord(line).map { String(buffer: $0.deltaForm) }
    }

    @Test("the cumulative message and partial are cut out, wherever they stand, and nothing else is touched")
    func cut() {
        let event = "\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":\"x\""
        #expect(
            delta("{\"type\":\"message_update\",\(event),\"partial\":{\"a\":[1,{}]}},\"message\":{\"b\":\"}\"}}")
                == "{\"type\":\"message_update\",\(event)}}")
        #expect(
            delta("{\"message\":{},\"type\":\"message_update\",\"assistantMessageEvent\":{\"partial\":1,\"a\": 2}}")
                == "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"a\": 2}}")
        #expect(delta("{\"type\":\"message_update\",\(event)}}") == "{\"type\":\"message_update\",\(event)}}")
        #expect(
            delta("{\"type\":\"message_end\",\"message\":{}}") == "{\"type\":\"message_end\",\"message\":{}}")
    }

    @Test("of every recorded update the delta form is what remains without the two", arguments: Recording.all)
    func recorded(recording: Recording) throws {
        for record in try recording.records() {
            var expected = try record.json().object ?? [:]
            if record.kind == .messageUpdate {
                expected["message"] = nil
                var event = expected["assistantMessageEvent"]?.object ?? [:]
                event["partial"] = nil
                expected["assistantMessageEvent"] = .object(event)
            }
            #expect(try JSON(parsing: record.deltaForm) == .object(expected))
        }
    }

    @Test("2,500 cumulative updates of a 10 KB answer are 27 MB, and under 350 KB in the delta form") func size() throws
    {
        var (raw, delta, text) = (0, 0, "")
        for _ in 0..<2500 {
            text += "word"
            let message: JSON = [
                "role": "assistant", "content": [["type": "text", "text": .string(text)]], "api": "anthropic-messages",
                "provider": "anthropic", "model": "claude-sonnet-4-5", "stopReason": "stop",
                "timestamp": 1_763_700_000_000,
                "usage": ["input": 1200, "output": 1, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 1201],
            ]
            let update: JSON = [
                "type": "message_update",
                "assistantMessageEvent": [
                    "type": "text_delta", "contentIndex": 0, "delta": "word", "partial": message,
                ],
                "message": message,
            ]
            let record = try #require(PiRecord(line: update.buffer))
            raw += record.line.readableBytes
            delta += record.deltaForm.readableBytes
        }
        #expect(raw > 25_000_000)
        #expect(delta < 350_000, "\(delta)")
    }
}
