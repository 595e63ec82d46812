import HypiWire
import NIOCore
import PiAdapter
import Testing

@Suite("PiRecord") struct PiRecordTests {
    @Test(
        "a line that is no JSON object is no record",
        arguments: [
            "{\"type\":x}", "{\"a\":[1 2,,]}",
            "", " ", "hello", "[1]", "7", "null", "{", "{\"a\"", "{\"type\":\"x\"} more", "}{", "{a:1}", "\"{}\"",
        ])
    func noRecord(line: String) {
        #expect(PiRecord(line) == nil)
    }

    @Test("a line that is not UTF-8 is no record") func encoding() {
        #expect(PiRecord(line: ByteBuffer(bytes: Array("{\"a\":\"".utf8) + [0xFF] + Array("\"}".utf8))) == nil)
    }

    @Test("a record of an unknown type, or of none, is one of the kind other")
    func unknown() {
        for line in ["{}", "{\"type\":\"new_thing\"}", "{\"type\":7}", " {\"id\":1} ", "{\"type\":null}"] {
            #expect(PiRecord(line)?.kind == .other)
        }
    }

    @Test("the type is found wherever it stands, and the line stays as it is") func kind() {
        let line = "{\"message\":{\"type\":\"agent_end\"},\"id\":null,\"type\":\"message_end\"}"
        #expect(PiRecord(line)?.kind == .messageEnd)
        #expect(PiRecord(line).map { String(buffer: $0.line) } == line)
    }

    @Test(
        "an answer gets back the asker's own id, of any type, or none",
        arguments: [
            ("{\"id\":\"h1\",\"type\":\"response\"}", "7", "{\"id\":7,\"type\":\"response\"}"),
            ("{\"id\":\"h1\",\"type\":\"response\"}", "{\"a\":[1]}", "{\"id\":{\"a\":[1]},\"type\":\"response\"}"),
            ("{\"type\":\"response\",\"id\":\"h1\"}", nil, "{\"type\":\"response\"}"),
            ("{\"id\":\"h1\",\"type\":\"response\"}", nil, "{\"type\":\"response\"}"),
            ("{\"type\":\"response\"}", "\"x\"", "{\"id\":\"x\",\"type\":\"response\"}"),
            ("{\"type\":\"response\"}", nil, "{\"type\":\"response\"}"),
        ] as [(String, String?, String)])
    func restoredID(line: String, original: String?, expected: String) {
        let answer = ByteBuffer(string: line).restoringID(original.map(ByteBuffer.init(string:)))
        #expect(String(buffer: answer) == expected)
    }

    @Test("the number of an answer that has none of our ids is not taken for one") func responseID() {
        #expect(PiRecord("{\"id\":7,\"type\":\"response\",\"success\":true}").flatMap(PiResponse.init)?.id == nil)
        #expect(PiRecord("{\"type\":\"response\"}").flatMap(PiResponse.init)?.success == false)
    }

    @Test("a prompt always says what happens while busy; what it says itself stays")
    func streamingBehavior() throws {
        let plain = try JSON(parsing: PiCommand.line(PiCommand.prompt("x"), id: "h1"))
        #expect(plain["streamingBehavior"] == "followUp" && plain["id"] == "h1")
        let steer = try JSON(
            parsing: PiCommand.line(["id": 7, "type": "prompt", "streamingBehavior": "steer"], id: "h2"))
        #expect(steer["streamingBehavior"] == "steer" && steer["id"] == "h2")
    }
}
