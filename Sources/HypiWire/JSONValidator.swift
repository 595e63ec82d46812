/// Checks that bytes are exactly one JSON value (RFC 8259) in UTF-8 without building it, in one pass.
///
/// For records that are only passed on: what is put into an envelope must not break the envelope. It agrees with the
/// parser on everything but depth, of which it has no limit, since it does not recurse.
public struct JSONValidator {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// The containers that are open: true for an object.
    private var open: [Bool] = []
    /// The member of the outermost object whose string is wanted; `nil` once it was seen.
    private var wanted: StaticString?
    /// Where that member's value begins.
    private var wantedStart: Int?
    /// That value, quotes included, if it is a string.
    private var string: Range<Int>?

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Whether the bytes are one value, with nothing but white space around it.
    public static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var validator = JSONValidator(bytes)
        return validator.run()
    }

    /// An object, as far as it was looked at.
    public struct Object: Equatable, Sendable {
        /// The string that the first member of the wanted name holds, quotes included and still escaped; `nil` where
        /// there is none, or its value is no string.
        public var string: Range<Int>?
    }

    /// Checks that the bytes are one object, with nothing but white space around it, and finds one of its strings.
    ///
    /// - Parameters:
    ///   - bytes: The bytes; offsets count from their start.
    ///   - key: The name of the member that is wanted.
    /// - Returns: The object; `nil` if it is none, or not valid.
    public static func object(_ bytes: UnsafeRawBufferPointer, string key: StaticString) -> Object? {
        var validator = JSONValidator(bytes)
        validator.wanted = key
        validator.skipWhitespace()
        guard validator.peek() == UInt8(ascii: "{"), validator.run() else { return nil }
        return Object(string: validator.string)
    }

    private mutating func run() -> Bool {
        skipWhitespace()
        while takeValue() {
            switch takeEnds() {
            case .value: continue
            case .end: return position == bytes.count
            case .fault: return false
            }
        }
        return false
    }

    private enum Next {
        case value, end, fault
    }

    /// Takes a scalar, a string, an empty container, or the opening of one, so that a value follows.
    private mutating func takeValue() -> Bool {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                let isObject = byte == UInt8(ascii: "{")
                position += 1
                skipWhitespace()
                if peek() == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    position += 1
                    return true
                }
                open.append(isObject)
                guard !isObject || takeKey() else { return false }
            case UInt8(ascii: "\""): return takeString()
            case UInt8(ascii: "t"): return take("true")
            case UInt8(ascii: "f"): return take("false")
            case UInt8(ascii: "n"): return take("null")
            default: return takeNumber()
            }
        }
        return false
    }

    /// Behind a value: closes what ends here, and says what has to follow.
    private mutating func takeEnds() -> Next {
        while true {
            skipWhitespace()
            guard let isObject = open.last else { return .end }
            switch peek() {
            case UInt8(ascii: ","):
                position += 1
                skipWhitespace()
                return !isObject || takeKey() ? .value : .fault
            case isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"):
                position += 1
                open.removeLast()
            default: return .fault
            }
        }
    }

    private mutating func takeKey() -> Bool {
        let start = position + 1
        guard peek() == UInt8(ascii: "\""), takeString() else { return false }
        let end = position - 1
        skipWhitespace()
        guard peek() == UInt8(ascii: ":") else { return false }
        position += 1
        skipWhitespace()
        if open.count == 1, let wanted, matches(start..<end, wanted) {
            self.wanted = nil
            wantedStart = position
        }
        return true
    }

    private func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
        range.count == text.utf8CodeUnitCount
            && bytes[range].elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: range.count))
    }

    private mutating func takeString() -> Bool {
        let start = position
        position += 1
        while true {
            position = JSONScan.skipPlainText(bytes, from: position, stopsAtNonASCII: true)
            guard let byte = peek(), byte >= 0x20 else { return false }
            if byte >= 0x80 {
                guard takeCharacter(byte) else { return false }
                continue
            }
            position += 1
            if byte == UInt8(ascii: "\"") {
                if start == wantedStart { string = start..<position }
                return true
            }
            if byte == UInt8(ascii: "\\") {
                guard takeEscape() else { return false }
            }
        }
    }

    /// Takes a character of several bytes (RFC 3629 section 4).
    private mutating func takeCharacter(_ first: UInt8) -> Bool {
        let count: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0: (count, second) = (3, 0xA0...0xBF)
        case 0xED: (count, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: count = 3
        case 0xF0: (count, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: count = 4
        case 0xF4: (count, second) = (4, 0x80...0x8F)
        default: return false
        }
        guard position + count <= bytes.count, second ~= bytes[position + 1] else { return false }
        for offset in 2..<max(count, 2) where bytes[position + offset] & 0xC0 != 0x80 { return false }
        position += count
        return true
    }

    private mutating func takeEscape() -> Bool {
        guard let byte = peek() else { return false }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return true
        case UInt8(ascii: "u"):
            guard position + 4 <= bytes.count else { return false }
            defer { position += 4 }
            return bytes[position..<position + 4].allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20
            }
        default: return false
        }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        defer { position = end }
        return bytes[position..<end].elementsEqual(
            UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func takeNumber() -> Bool {
        if peek() == UInt8(ascii: "-") { position += 1 }
        let hasLeadingZero = peek() == UInt8(ascii: "0")
        let digitCount = takeDigits()
        guard digitCount > 0, !(hasLeadingZero && digitCount > 1) else { return false }
        if peek() == UInt8(ascii: ".") {
            position += 1
            guard takeDigits() > 0 else { return false }
        }
        guard let byte = peek(), byte | 0x20 == UInt8(ascii: "e") else { return true }
        position += 1
        if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
        return takeDigits() > 0
    }

    private mutating func takeDigits() -> Int {
        let start = position
        while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
        return position - start
    }

    private mutating func skipWhitespace() {
        position = JSONScan.skipWhitespace(bytes, from: position)
    }

    private func peek() -> UInt8? {
        position < bytes.count ? bytes[position] : nil
    }
}
