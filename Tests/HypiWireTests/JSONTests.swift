import HypiWire
import NIOCore
import Testing

@Suite("JSON")
struct JSONTests {
    @Test(
        "what came in goes out: member order, number text, escapes that matter",
        arguments: [
            #"{"type":"response","id":1.0,"b":[1,-2.5e10,true,null],"a":{"x":"\"\\\n"}}"#,
            #"{"id":123456789012345678901234567890}"#,
            #"["\u0000\u001f"]"#,
            "\"\u{2028}\u{1F600}é\"",
            "{}", "[]", "0", "-0", "\"\"",
        ])
    func roundTrip(text: String) throws {
        #expect(try JSON(parsing: text).text == text)
        #expect(Array(text.utf8).withUnsafeBytes(JSONValidator.isValue))
    }

    @Test("what has to be escaped is, wherever it stands in a text, and comes back", arguments: 0..<20)
    func escapesAnywhere(_ offset: Int) throws {
        let (before, after) = (String(repeating: "x", count: offset), String(repeating: "y", count: 19 - offset))
        let json = JSON.string(before + "\u{1}\"\\é\n" + after)
        #expect(json.text == "\"" + before + #"\u0001\"\\é\n"# + after + "\"")
        #expect(try JSON(parsing: json.text) == json)
    }

    @Test("escapes are decoded, surrogate pairs joined, lone surrogates replaced")
    func escapes() throws {
        #expect(try JSON(parsing: #""\u00e9\ud83d\ude00\/""#) == .string("é😀/"))
        #expect(try JSON(parsing: #""\ud83dx""#) == .string("\u{FFFD}x"))
        #expect(try JSON(parsing: #""\ude00""#) == .string("\u{FFFD}"))
    }

    @Test(
        "what is not JSON is refused at the place of the fault",
        arguments: [
            ("", 0, JSONError.Reason.unexpectedEnd), ("{", 1, .unexpectedEnd), ("[1,]", 3, .unexpectedCharacter),
            ("{\"a\" 1}", 5, .unexpectedCharacter), ("01", 2, .invalidNumber), ("1.", 2, .invalidNumber),
            ("truth", 0, .unexpectedCharacter), ("1 2", 2, .trailingCharacters), (#""\x""#, 1, .invalidString),
            ("\"a\nb\"", 2, .invalidString), ("\"abc", 4, .unexpectedEnd), ("{1:2}", 1, .unexpectedCharacter),
        ])
    func faults(text: String, offset: Int, reason: JSONError.Reason) {
        #expect(throws: JSONError(reason: reason, offset: offset)) { try JSON(parsing: text) }
        #expect(!Array(text.utf8).withUnsafeBytes(JSONValidator.isValue))
    }

    @Test("the end of a string is found at every place, and what may not stand in one, too")
    func placesInStrings() {
        for length in 0..<40 {
            for place in 0...length {
                func isString(_ middle: [UInt8]) -> Bool {
                    let before = [UInt8](repeating: UInt8(ascii: "x"), count: place)
                    let after = [UInt8](repeating: UInt8(ascii: "~"), count: length - place)
                    return (Array("[\"".utf8) + before + middle + after + Array("\", 1]".utf8))
                        .withUnsafeBytes(JSONValidator.isValue)
                }
                for good in ["", "\\\"", "\\n", "\u{7F}", "é", "\u{1F600}", " ", "!", "]"] {
                    #expect(isString(Array(good.utf8)), "\(good) at \(place) of \(length)")
                }
                for bad: [UInt8] in [[0x22], [0x1F], [0], [0x0A], [0x80], [0xFF], [0xC3], [0x5C, 0x78]] {
                    #expect(!isString(bad), "\(bad) at \(place) of \(length)")
                }
            }
        }
    }

    @Test("the validator has no limit of depth and no stack to overflow")
    func validatorDepth() {
        let opening = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        let closing = [UInt8](repeating: UInt8(ascii: "]"), count: 100_000)
        #expect((opening + closing).withUnsafeBytes(JSONValidator.isValue))
        #expect(!opening.withUnsafeBytes(JSONValidator.isValue))
    }

    @Test("nesting beyond the limit is refused, not a stack overflow")
    func depth() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError(reason: .tooDeep, offset: 513)) { try JSON(parsing: text) }
    }

    @Test("bytes that are not UTF-8 are refused")
    func invalidUTF8() {
        let bytes: [UInt8] = [0x22, 0xFF, 0x22]
        #expect(throws: JSONError(reason: .invalidUTF8, offset: 1)) { try JSON(parsing: ByteBuffer(bytes: bytes)) }
    }

    @Test("the validator takes a text if Swift takes it for UTF-8, whatever the bytes")
    func validatorUTF8() {
        let interesting: [UInt8] = [
            0x00, 0x20, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF,
            0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        for first in interesting where first >= 0x80 {
            for second in interesting where second >= 0x20 {
                for third in interesting where third >= 0x20 {
                    for fourth in [0x80, 0xBF, 0x41] as [UInt8] {
                        let text = [0x22, first, second, third, fourth, 0x41, 0x22]
                        let isText = String(validating: text, as: UTF8.self) != nil
                        #expect(text.withUnsafeBytes(JSONValidator.isValue) == isText, "\(text)")
                    }
                }
            }
        }
    }

    @Test(
        "the validator finds the string of the first member of a name, in the outermost object alone",
        arguments: [
            (#"{"type":"x"}"#, #""x""#), (#" {"a":{"type":"y"},"type" : "é" } "#, #""é""#), (#"{"type":7}"#, nil),
            (#"{"type":7,"type":"x"}"#, nil), (#"{"type":["x"]}"#, nil), (#"{"a":[{"type":"x"}]}"#, nil), ("{}", nil),
            (#"{"types":"x","typ":"z"}"#, nil),
        ] as [(String, String?)])
    func validatorString(text: String, string: String?) {
        let bytes = Array(text.utf8)
        let object = bytes.withUnsafeBytes { JSONValidator.object($0, string: "type") }
        #expect(object?.string.map { String(decoding: bytes[$0], as: UTF8.self) } == string)
        #expect(object != nil)
        #expect(Array("[\(text)]".utf8).withUnsafeBytes { JSONValidator.object($0, string: "type") } == nil)
    }
}

@Suite("JSON that nests too deeply")
struct DeepJSONTests {
    @Test("pruning keeps everything else, in arrays and objects, whole and cut")
    func pruned() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = String(repeating: open, count: 200_000) + "1" + String(repeating: close, count: 200_000)
            let text = "{\"type\":\"event\",\"payload\":\(deep),\"seq\":7}"
            #expect(throws: JSONError.self) { try JSON(parsing: text) }
            let json = try JSON(parsingPruned: ByteBuffer(string: text))
            #expect(json["type"] == "event" && json["seq"]?.int == 7)
            #expect(throws: JSONError.self) { try JSON(parsingPruned: ByteBuffer(string: String(text.dropLast(9)))) }
        }
        let shallow: JSON = ["a": [[["b"]]]]
        #expect(try JSON(parsingPruned: shallow.buffer) == shallow)
    }
}
