/// Checks that bytes are exactly one JSON value (RFC 8259) without building it.
///
/// For records that are only passed on: what is put into an envelope must not break the envelope. It agrees with the
/// parser on everything but UTF-8, which it does not look at, and depth, of which it has no limit, since it does not
/// recurse.
public struct JSONValidator {
    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// The containers that are open: true for an object.
    private var open: [Bool] = []

    private init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    /// Whether the bytes are one value, with nothing but white space around it.
    public static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var validator = JSONValidator(bytes)
        return validator.run()
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
        guard peek() == UInt8(ascii: "\""), takeString() else { return false }
        skipWhitespace()
        guard peek() == UInt8(ascii: ":") else { return false }
        position += 1
        skipWhitespace()
        return true
    }

    private mutating func takeString() -> Bool {
        position += 1
        while true {
            position = JSONScan.skipPlainText(bytes, from: position)
            guard let byte = peek(), byte >= 0x20 else { return false }
            position += 1
            if byte == UInt8(ascii: "\"") { return true }
            if byte == UInt8(ascii: "\\") {
                guard takeEscape() else { return false }
            }
        }
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
