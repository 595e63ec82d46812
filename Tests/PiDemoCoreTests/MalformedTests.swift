import Foundation
import HypiWire
import Testing

@testable import PiDemoCore

@Suite("Malformed commands", .serialized)
struct MalformedTests {
    /// What a client sees of an answer to a faulty line; the data of a good one depends on the session.
    private func answers(_ lines: [JSON]) -> [String] {
        lines.filter { $0["type"] == "response" }.map { line in
            guard let data = line["data"], data["output"] == nil else { return line.text }
            var answer = line.object ?? [:]
            answer["data"] = .string(
                (data.object?.members ?? []).map(\.key).filter { $0 != "sessionName" }.joined(separator: " "))
            return JSON.object(answer).text
        }
    }

    @Test(
        "each line is answered as by a real pi, byte for byte", arguments: ["11-malformed", "real-0.58.3/10-malformed"])
    func recorded(name: String) throws {
        let recording = try Recording(name)
        let isSaved = name.contains("real")
        let demo = try DemoProcess(["--cumulative"] + (isSaved ? [] : ["--no-session"]))
        var records: [JSON] = []
        for line in recording.input {
            demo.send(line: line)
            demo.send(["id": "mark", "type": "get_last_assistant_text"])
            var part = try demo.records { DemoProcess.isResponse($0, "mark") }
            // A prompt that was accepted runs to its end, so that the next one is not refused for another reason.
            if part.contains(where: { $0["command"] == "prompt" && $0["success"] == true }), !line.contains("\"x3\""),
                !line.contains("\"x15\""), !line.contains("\"m\""), !part.contains(where: { $0["type"] == "agent_end" })
            {
                part += try demo.records(until: DemoProcess.ends(true))
            }
            // A shell command is answered when it has ended, however long the next lines take.
            let isBash: (JSON) -> Bool = { $0["command"] == "bash" && $0["type"] == "response" }
            if line.contains(#""type":"bash""#), !part.contains(where: isBash) {
                part += try demo.records(until: isBash)
            }
            records += part.filter { $0["id"] != "mark" }
        }
        let expected = answers(recording.output)
        let actual = answers(records)
        // pi answered a blank line before the commands in front of it; what matters is each answer.
        #expect(actual.sorted() == expected.sorted())
    }

    @Test("from 0.84 on a failing command is answered once, with its id")
    func modern() throws {
        let demo = try DemoProcess()
        let lines = [
            #"{"id":1.0,"type":"prompt"}"#, #"{"id":{"a":1},"type":"fork"}"#, #"{"id":[],"type":"nope"}"#,
            #"{"id":null,"type":"steer"}"#, #"{"id":"s","type":"set_session_name"}"#, #"{"type":"switch_session"}"#,
            #"{"id":"e","type":"get_entries","since":"nope"}"#,
        ]
        for line in lines { demo.send(line: line) }
        demo.closeInput()
        let answers = try demo.rest()
        #expect(
            answers.map(\.text) == [
                #"{"id":1.0,"type":"response","command":"prompt","success":false,"error":"Cannot read properties of undefined (reading 'startsWith')"}"#,
                #"{"id":{"a":1},"type":"response","command":"fork","success":false,"error":"Invalid entry ID for forking"}"#,
                #"{"id":[],"type":"response","command":"nope","success":false,"error":"Unknown command: nope"}"#,
                #"{"id":null,"type":"response","command":"steer","success":false,"error":"Cannot read properties of undefined (reading 'startsWith')"}"#,
                #"{"id":"s","type":"response","command":"set_session_name","success":false,"error":"Cannot read properties of undefined (reading 'trim')"}"#,
                #"{"type":"response","command":"switch_session","success":false,"error":"The \"paths[0]\" argument must be of type string. Received undefined"}"#,
                #"{"id":"e","type":"response","command":"get_entries","success":false,"error":"Entry not found: nope"}"#,
            ])
    }

    @Test(
        "faults of JSON have V8's words",
        arguments: [
            ("", "Unexpected end of JSON input"), ("tru", "Unexpected end of JSON input"),
            ("{", "Expected property name or '}' in JSON at position 1 (line 1 column 2)"),
            (#"{"a"}"#, "Expected ':' after property name in JSON at position 4 (line 1 column 5)"),
            (#"{"a":1,}"#, "Expected double-quoted property name in JSON at position 7 (line 1 column 8)"),
            ("[1 2]", "Expected ',' or ']' after array element in JSON at position 3 (line 1 column 4)"),
            ("\"a", "Unterminated string in JSON at position 2 (line 1 column 3)"),
            (#""\x""#, "Bad escaped character in JSON at position 2 (line 1 column 3)"),
            ("-", "No number after minus sign in JSON at position 1 (line 1 column 2)"),
            ("😀", "Unexpected token '\u{FFFD}', \"😀\" is not valid JSON"),
            (
                "{\"message\": undefined, \"type\": \"prompt\"}",
                "Unexpected token 'u', ...\"message\": undefined,\"... is not valid JSON"
            ),
        ])
    func words(text: String, message: String) {
        #expect(ParseFailure(text).message == message)
    }
}
