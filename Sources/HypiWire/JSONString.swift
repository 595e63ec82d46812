/// Strings between their value and their text on the wire.
enum JSONString {
    /// The value of a string's content (what stands between the quotes).
    ///
    /// A lone surrogate escape becomes U+FFFD, as UTF-8 cannot hold it and JavaScript peers do send it.
    static func unescape(_ content: UnsafeRawBufferPointer, at offset: Int) throws(JSONError) -> String {
        if !content.contains(where: { $0 == UInt8(ascii: "\\") || $0 < 0x20 }) {
            guard let text = String(validating: content, as: UTF8.self) else {
                throw JSONError(reason: .invalidUTF8, offset: offset)
            }
            return text
        }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(content.count)
        var position = 0
        while position < content.count {
            let byte = content[position]
            guard byte >= 0x20 else { throw JSONError(reason: .invalidString, offset: offset + position) }
            if byte == UInt8(ascii: "\\") {
                position = try unescapeOne(content, position, offset, into: &decoded)
            } else {
                decoded.append(byte)
                position += 1
            }
        }
        guard let text = String(validating: decoded, as: UTF8.self) else {
            throw JSONError(reason: .invalidUTF8, offset: offset)
        }
        return text
    }

    private static func unescapeOne(
        _ content: UnsafeRawBufferPointer, _ position: Int, _ offset: Int, into decoded: inout [UInt8]
    ) throws(JSONError) -> Int {
        let fault = JSONError(reason: .invalidString, offset: offset + position)
        guard position + 1 < content.count else { throw fault }
        switch content[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(content[position + 1])
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"):
            guard let unit = hex(content, position + 2) else { throw fault }
            return appendUnicode(unit, content, position + 6, into: &decoded)
        default: throw fault
        }
        return position + 2
    }

    /// Appends the scalar that starts with `unit`, whose low surrogate may follow at `next`; answers where to go on.
    private static func appendUnicode(
        _ unit: UInt32, _ content: UnsafeRawBufferPointer, _ next: Int, into decoded: inout [UInt8]
    ) -> Int {
        if 0xD800..<0xDC00 ~= unit, next + 6 <= content.count, content[next] == UInt8(ascii: "\\"),
            content[next + 1] == UInt8(ascii: "u"), let low = hex(content, next + 2), 0xDC00..<0xE000 ~= low,
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        {
            decoded.append(contentsOf: UTF8.encode(scalar)?.map { $0 } ?? [])
            return next + 6
        }
        let scalar = Unicode.Scalar(unit) ?? "\u{FFFD}"
        decoded.append(contentsOf: UTF8.encode(scalar)?.map { $0 } ?? [])
        return next
    }

    private static func hex(_ content: UnsafeRawBufferPointer, _ start: Int) -> UInt32? {
        guard start + 4 <= content.count else { return nil }
        var value: UInt32 = 0
        for byte in content[start..<start + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }

    /// Appends a name of our own with its quotes; nothing in it has to be escaped.
    static func append(_ name: StaticString, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a string with its quotes, escaping what RFC 8259 section 7 demands and nothing else, as `JSON.stringify`.
    static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { content in
            var start = 0
            while let escaped = firstToEscape(UnsafeRawBufferPointer(content), from: start) {
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: content[start..<escaped]))
                appendEscaped(content[escaped], to: &bytes)
                start = escaped + 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: content[start...]))
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func firstToEscape(_ content: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = JSONScan.skipPlainText(content, from: start)
        while position < content.count {
            let byte = content[position]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return position }
            position += 1
        }
        return nil
    }

    private static func appendEscaped(_ byte: UInt8, to bytes: inout [UInt8]) {
        let digits: StaticString = "0123456789abcdef"
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
        case 0x08: bytes.append(contentsOf: "\\b".utf8)
        case 0x0C: bytes.append(contentsOf: "\\f".utf8)
        case 0x0A: bytes.append(contentsOf: "\\n".utf8)
        case 0x0D: bytes.append(contentsOf: "\\r".utf8)
        case 0x09: bytes.append(contentsOf: "\\t".utf8)
        default:
            bytes.append(contentsOf: "\\u00".utf8)
            bytes.append(digits.utf8Start[Int(byte >> 4)])
            bytes.append(digits.utf8Start[Int(byte & 15)])
        }
    }
}
