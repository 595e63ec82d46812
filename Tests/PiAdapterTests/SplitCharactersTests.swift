import HypiWire
import NIOCore
import PiAdapter
import Testing

@Suite("Characters cut in two") struct SplitCharactersTests {
    private func update(_ type: String, _ delta: String, at index: Int = 0) -> String {
        """
        {"type":"message_update","assistantMessageEvent":{"type":"\(type)","contentIndex":\(index),"delta":"\(delta)"}}
        """
    }

    private func joined(_ lines: [String]) throws -> [String] {
        var characters = SplitCharacters()
        return try lines.map { line in
            let record = try #require(PiRecord(line))
            return String(buffer: characters.join(record.line, record.kind))
        }
    }

    @Test("the first half waits for the second", arguments: ["text_delta", "thinking_delta", "toolcall_delta"])
    func waits(type: String) throws {
        #expect(
            try joined([update(type, #"green \ud83d"#), update(type, #"\ude00 done"#)])
                == [update(type, "green "), update(type, #"\ud83d\ude00 done"#)])
    }

    @Test("each block has its own half, and a message that ends forgets what waits") func blocks() throws {
        let end = #"{"type":"message_end","message":{"role":"assistant"}}"#
        #expect(
            try joined([
                update("text_delta", #"\ud83d"#, at: 1), update("text_delta", "x", at: 2),
                update("text_delta", #"\ude00"#, at: 1), update("text_delta", #"\uDBFF"#, at: 2), end,
                update("text_delta", "y", at: 2),
            ]) == [
                update("text_delta", "", at: 1), update("text_delta", "x", at: 2),
                update("text_delta", #"\ud83d\ude00"#, at: 1), update("text_delta", "", at: 2), end,
                update("text_delta", "y", at: 2),
            ])
    }

    @Test(
        "what only looks like a half stays where it is",
        arguments: [#"a \\ud83d"#, #"\ude00"#, #"\ud83d\ude00"#, "ud83d", #"\\\\ud83d"#, ""])
    func stays(delta: String) throws {
        #expect(try joined([update("text_delta", delta)]) == [update("text_delta", delta)])
    }

    @Test("a frame of a bridge that sends halves is joined, too") func frames() throws {
        var characters = SplitCharacters()
        let frames = [update("text_delta", #"a\ud83d"#), update("text_delta", #"\ude00"#)].enumerated().map {
            characters.join(frame: ByteBuffer(string: #"{"type":"event","seq":\#($0 + 1),"payload":\#($1)}"#))
        }
        let texts = try frames.map { try JSON(parsing: $0)["payload"]?["assistantMessageEvent"]?["delta"] }
        #expect(texts == ["a", "\u{1F600}"])
    }

    @Test("a snapshot in between has the text without the half, for those whose deltas bring it") func snapshot() throws
    {
        var flight = InFlight()
        for line in [
            #"{"type":"message_start","message":{"role":"assistant","content":[]}}"#, update("text_delta", #"a\ud83d"#),
        ] { flight.apply(try #require(PiRecord(line))) }
        let whole = try #require(flight.partialOfWholeCharacters)
        #expect(try JSON(parsing: whole)["content"]?[0]?["text"] == "a")
        #expect(flight.partial.map { String(buffer: $0) }?.contains(#""a\ud83d""#) == true)
        var characters = flight.halves
        let next = try #require(PiRecord(update("text_delta", #"\ude00"#)))
        #expect(String(buffer: characters.join(next.line, next.kind)) == update("text_delta", #"\ud83d\ude00"#))
    }
}
