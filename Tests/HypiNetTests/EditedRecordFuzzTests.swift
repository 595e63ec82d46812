import HypiWire
import NIOCore
import PiAdapter
import Testing

/// What is cut out of records and put into them, with any formatting that JSON allows.
///
/// Not every pi runs on Node: another writer puts blanks after commas, tabs between members, or escapes what it likes.
@Suite("Fuzzing of edited records", .serialized)
struct EditedRecordFuzzTests {
    private let fuzzer = Fuzzer()

    @Test("every edit of an object is what the same change of the parsed object is")
    func edits() async throws {
        try await fuzzer.run(0.05) { generator in
            var writer = JSONWriter()
            let record = writer.object(["id", "type", "message", "data", "x"], &generator)
            let line = writer.buffer
            fuzzer.check((try? JSON(parsing: line)) == .object(record), "the writer's own: \(String(buffer: line))")
            var (without, with) = (record, record)
            without["id"] = nil
            fuzzer.check(
                (try? JSON(parsing: line.restoringID(nil))) == .object(without), "no id: \(String(buffer: line))")
            with["id"] = "theirs"
            let answer = try? JSON(parsing: line.restoringID(ByteBuffer(string: "\"theirs\""))).object
            fuzzer.check(
                answer.map { Self.isSame($0, with) } == true, "another id: \(String(buffer: line))")
        }
    }

    @Test("the delta form is the update without message and partial")
    func deltaForm() async throws {
        try await fuzzer.run(0.05) { generator in
            var writer = JSONWriter()
            let members = ["type", "assistantMessageEvent", "message", "usage"].shuffled(using: &generator)
            writer.open("{", &generator)
            var expected = JSONObject()
            for (index, key) in members.enumerated() {
                if index > 0 { writer.separator(",", &generator) }
                writer.string(key, &generator)
                writer.separator(":", &generator)
                switch key {
                case "type":
                    writer.plain("\"message_update\"")
                    expected[key] = "message_update"
                case "assistantMessageEvent":
                    var event = writer.object(["partial", "delta", "contentIndex", "a"], &generator)
                    event["partial"] = nil
                    expected[key] = .object(event)
                case "message": _ = writer.value(2, &generator)
                default: expected[key] = writer.value(2, &generator)
                }
            }
            writer.close("}", &generator)
            guard let record = PiRecord(line: writer.buffer) else {
                return fuzzer.check(false, "no record: \(String(buffer: writer.buffer))")
            }
            // A name that is escaped may hide what the update is.
            guard record.kind == .messageUpdate else { return }
            let form = try? JSON(parsing: record.deltaForm)
            fuzzer.check(form == .object(expected), "\(String(buffer: writer.buffer))")
        }
    }

    @Test("a text that is cut into deltas anywhere, in the middle of a character too, comes out whole")
    func splitCharacters() async throws {
        try await fuzzer.run(0.05) { generator in
            let text = (0..<Int.random(in: 0...12, using: &generator))
                .map { _ in ["a", "é", "🦩", "\u{10FFFF}", "\\", "\"", "\n"].randomElement(using: &generator) ?? "" }
                .joined()
            var (characters, flight, joined, raw) = (SplitCharacters(), InFlight(), "", "")
            let start = #"{"type":"message_start","message":{"role":"assistant","content":[]}}"#
            _ = PiRecord(line: ByteBuffer(string: start)).map { flight.apply($0) }
            for piece in Self.pieces(text, &generator) {
                raw += piece
                let line = """
                    {"type": "message_update", "assistantMessageEvent": {"type": "text_delta", "contentIndex": 0, \
                    "delta": "\(piece)"}}
                    """
                guard let record = PiRecord(line: ByteBuffer(string: line)) else { return fuzzer.check(false, line) }
                flight.apply(record)
                let update = try? JSON(parsing: characters.join(record.line, record.kind))
                joined += update?["assistantMessageEvent"]?["delta"]?.string ?? "?"
                // Whoever comes now has the rest in the deltas that follow.
                let partial = flight.partialOfWholeCharacters.flatMap { try? JSON(parsing: $0) }
                fuzzer.check(partial?["content"]?[0]?["text"]?.string == joined, "partial of \(raw)")
            }
            fuzzer.check(joined == text, "\(raw) became \(joined)")
        }
    }

    /// Equal but for the order of members.
    private static func isSame(_ one: JSONObject, _ other: JSONObject) -> Bool {
        one.members.count == other.members.count && one.members.allSatisfy { other[$0.key] == $0.value }
    }

    /// The text as escaped contents of JSON strings, cut between UTF-16 code units.
    private static func pieces(_ text: String, _ generator: inout SeededGenerator) -> [String] {
        var pieces = [""]
        for unit in text.utf16 {
            let hex = String(unit, radix: 16)
            pieces[pieces.count - 1] += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            if Int.random(in: 0..<3, using: &generator) == 0 { pieces.append("") }
        }
        return pieces
    }
}

/// Writes random JSON with random white space and random escapes.
private struct JSONWriter {
    private(set) var buffer = ByteBuffer()

    mutating func object(_ keys: [String], _ generator: inout SeededGenerator, depth: Int = 3) -> JSONObject {
        var object = JSONObject()
        open("{", &generator)
        for key in keys.shuffled(using: &generator) where Int.random(in: 0..<3, using: &generator) > 0 {
            if !object.members.isEmpty { separator(",", &generator) }
            string(key, &generator)
            separator(":", &generator)
            object[key] = value(depth - 1, &generator)
        }
        close("}", &generator)
        return object
    }

    mutating func value(_ depth: Int, _ generator: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
        case 0:
            plain("null")
            return .null
        case 1:
            plain("true")
            return true
        case 2:
            let text = ["0", "-1", "1.50", "1e3", "12345678901234567890", "-0.0E-7"].randomElement(using: &generator)
            plain(text ?? "0")
            return (try? JSON(parsing: ByteBuffer(string: text ?? "0"))) ?? .null
        case 3, 4:
            let text = ["", "plain", "}{][,:", "\"", "\\", "é🦩", "\u{1}", "\\u0022,"].randomElement(using: &generator)
            string(text ?? "", &generator)
            return .string(text ?? "")
        case 5: return .object(object(["id", "message", "partial", "a"], &generator, depth: depth))
        default:
            var elements: [JSON] = []
            open("[", &generator)
            for index in 0..<Int.random(in: 0...3, using: &generator) {
                if index > 0 { separator(",", &generator) }
                elements.append(value(depth - 1, &generator))
            }
            close("]", &generator)
            return .array(elements)
        }
    }

    mutating func string(_ text: String, _ generator: inout SeededGenerator) {
        buffer.writeString("\"")
        let escapesMuch = Int.random(in: 0..<4, using: &generator) == 0
        for scalar in text.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            guard mustEscape || escapesMuch && Bool.random(using: &generator) else {
                buffer.writeString(String(scalar))
                continue
            }
            for unit in String(scalar).utf16 {
                var hex = String(unit, radix: 16)
                if Bool.random(using: &generator) { hex = hex.uppercased() }
                buffer.writeString("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            }
        }
        buffer.writeString("\"")
    }

    mutating func open(_ bracket: String, _ generator: inout SeededGenerator) {
        blank(&generator)
        buffer.writeString(bracket)
        blank(&generator)
    }

    mutating func separator(_ mark: String, _ generator: inout SeededGenerator) {
        blank(&generator)
        buffer.writeString(mark)
        blank(&generator)
    }

    mutating func close(_ bracket: String, _ generator: inout SeededGenerator) {
        blank(&generator)
        buffer.writeString(bracket)
        blank(&generator)
    }

    mutating func plain(_ text: String) {
        buffer.writeString(text)
    }

    /// A record is one line, so there is no line feed.
    private mutating func blank(_ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...2, using: &generator) {
            buffer.writeString([" ", "\t", "\r"].randomElement(using: &generator) ?? " ")
        }
    }
}
