public import NIOCore

/// What was wrong with a text that should have been JSON, and where.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The ways in which a text is not JSON.
    public enum Reason: String, Sendable {
        /// The text ended in the middle of a value.
        case unexpectedEnd = "unexpected end of text"
        /// A character stands where another was needed.
        case unexpectedCharacter = "unexpected character"
        /// Something follows the value.
        case trailingCharacters = "characters after the value"
        /// Values nest deeper than ``JSONParser/depthLimit``.
        case tooDeep = "nested too deeply"
        /// A string holds a control character, a broken escape or half a surrogate pair.
        case invalidString = "invalid string"
        /// A number that RFC 8259 section 6 does not allow.
        case invalidNumber = "invalid number"
        /// Bytes that are not UTF-8.
        case invalidUTF8 = "invalid UTF-8"
    }

    /// What was wrong.
    public var reason: Reason
    /// Where, as a byte offset from the start of the text.
    public var offset: Int

    /// A fault of the given kind at a byte offset.
    public init(reason: Reason, offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// One phrase for a message: reason and place.
    public var description: String {
        "\(reason.rawValue) at byte \(offset)"
    }
}

extension JSON {
    /// Parses one value; white space may stand around it, nothing else.
    ///
    /// - Throws: ``JSONError`` with the place of the first fault.
    public init(parsing bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.parseDocument()
    }

    /// Parses the readable bytes of a buffer.
    ///
    /// - Throws: ``JSONError`` with the place of the first fault.
    public init(parsing buffer: ByteBuffer) throws(JSONError) {
        let result = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(JSONError) in try JSON(parsing: bytes) }
        }
        self = try result.get()
    }

    /// Parses the readable bytes of a buffer and replaces what nests too deeply with a short text.
    ///
    /// For records of an agent: a model decides how deep the arguments of its tool calls nest, and one that overdoes it
    /// must not keep the rest of the conversation from being read. What is replaced is only checked for its end.
    ///
    /// - Throws: ``JSONError`` with the place of the first fault.
    public init(parsingPruned buffer: ByteBuffer) throws(JSONError) {
        let result = buffer.withUnsafeReadableBytes { bytes in
            Result { () throws(JSONError) in
                var parser = JSONParser(bytes: bytes, prunes: true)
                return try parser.parseDocument()
            }
        }
        self = try result.get()
    }

    /// Parses a text.
    ///
    /// - Throws: ``JSONError`` with the place of the first fault.
    public init(parsing text: String) throws(JSONError) {
        try self.init(parsing: ByteBuffer(string: text))
    }
}

/// A recursive-descent parser over bytes that outlive it.
struct JSONParser {
    /// How deep arrays and objects may nest; deeper ones are refused before they can exhaust the stack.
    static let depthLimit = 512

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0
    /// Whether a value that nests too deeply becomes ``pruned`` instead of a fault.
    private let prunes: Bool

    /// What stands for a value that was left out.
    static let pruned = JSON.string("(nested too deeply)")

    init(bytes: UnsafeRawBufferPointer, prunes: Bool = false) {
        self.bytes = bytes
        self.prunes = prunes
    }

    mutating func parseDocument() throws(JSONError) -> JSON {
        skipWhitespace()
        let value = try parseValue()
        skipWhitespace()
        guard position == bytes.count else { throw fault(.trailingCharacters) }
        return value
    }

    private mutating func parseValue() throws(JSONError) -> JSON {
        let first = try peek()
        if prunes, depth == Self.depthLimit, first == UInt8(ascii: "{") || first == UInt8(ascii: "[") {
            return try prune()
        }
        switch first {
        case UInt8(ascii: "{"): return .object(try parseObject())
        case UInt8(ascii: "["): return .array(try parseArray())
        case UInt8(ascii: "\""): return .string(try parseString())
        case UInt8(ascii: "t"): return try parseLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try parseLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try parseLiteral("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try parseNumber())
        default: throw fault(.unexpectedCharacter)
        }
    }

    private mutating func prune() throws(JSONError) -> JSON {
        guard let end = JSONScan.endOfValue(bytes, from: position) else {
            position = bytes.count
            throw fault(.unexpectedEnd)
        }
        position = end
        return Self.pruned
    }

    private mutating func parseObject() throws(JSONError) -> JSONObject {
        try descend()
        var object = JSONObject()
        guard try !consumeIfNext(UInt8(ascii: "}")) else {
            depth -= 1
            return object
        }
        object.reserveCapacity(4)
        repeat {
            skipWhitespace()
            guard try peek() == UInt8(ascii: "\"") else { throw fault(.unexpectedCharacter) }
            let key = try parseString()
            try consume(UInt8(ascii: ":"))
            skipWhitespace()
            object.appendUnchecked(key, try parseValue())
        } while try consumeSeparator(orEnd: UInt8(ascii: "}"))
        depth -= 1
        return object
    }

    private mutating func parseArray() throws(JSONError) -> [JSON] {
        try descend()
        var array: [JSON] = []
        guard try !consumeIfNext(UInt8(ascii: "]")) else {
            depth -= 1
            return array
        }
        repeat {
            skipWhitespace()
            array.append(try parseValue())
        } while try consumeSeparator(orEnd: UInt8(ascii: "]"))
        depth -= 1
        return array
    }

    private mutating func parseString() throws(JSONError) -> String {
        let start = position + 1
        // Most are plain and most are short: for them the general way costs more than all the rest.
        let plain = JSONScan.skipPlainASCII(bytes, from: start)
        if plain < bytes.count, bytes[plain] == UInt8(ascii: "\"") {
            position = plain + 1
            let content = UnsafeRawBufferPointer(rebasing: bytes[start..<plain]).assumingMemoryBound(to: UInt8.self)
            return String(decoding: content, as: UTF8.self)
        }
        guard let end = JSONScan.endOfString(bytes, from: plain) else {
            position = bytes.count
            throw fault(.unexpectedEnd)
        }
        let content = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        defer { position = end + 1 }
        return try JSONString.unescape(content, at: start)
    }

    private mutating func parseNumber() throws(JSONError) -> JSONNumber {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let leadingZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let integerDigits = skipDigits()
        guard integerDigits > 0, !(leadingZero && integerDigits > 1) else { throw fault(.invalidNumber) }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw fault(.invalidNumber) }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard skipDigits() > 0 else { throw fault(.invalidNumber) }
        }
        return JSONNumber(validText: String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[position] { position += 1 }
        return position - start
    }

    private mutating func parseLiteral(_ text: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count else { throw fault(.unexpectedEnd) }
        for (offset, index) in (position..<end).enumerated() where bytes[index] != text.utf8Start[offset] {
            throw fault(.unexpectedCharacter)
        }
        position = end
        return value
    }

    private mutating func descend() throws(JSONError) {
        position += 1
        depth += 1
        guard depth <= Self.depthLimit else { throw fault(.tooDeep) }
    }

    /// Consumes `,` and answers true, or the closing byte and answers false.
    private mutating func consumeSeparator(orEnd end: UInt8) throws(JSONError) -> Bool {
        skipWhitespace()
        switch try peek() {
        case UInt8(ascii: ","):
            position += 1
            return true
        case end:
            position += 1
            return false
        default:
            throw fault(.unexpectedCharacter)
        }
    }

    private mutating func consumeIfNext(_ byte: UInt8) throws(JSONError) -> Bool {
        skipWhitespace()
        guard try peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func consume(_ byte: UInt8) throws(JSONError) {
        guard try consumeIfNext(byte) else { throw fault(.unexpectedCharacter) }
    }

    private mutating func skipWhitespace() {
        position = JSONScan.skipWhitespace(bytes, from: position)
    }

    private func peek() throws(JSONError) -> UInt8 {
        guard position < bytes.count else { throw fault(.unexpectedEnd) }
        return bytes[position]
    }

    private func fault(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: position)
    }
}
