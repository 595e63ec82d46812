/// Strings and numbers that may be cut anywhere.
extension JSONProgress {
    /// How far into a number we are (RFC 8259 section 6).
    enum NumberScan {
        case start, minus, zero, integer, point, fraction, exponent, exponentSign, exponentDigits

        /// Whether the number may end here.
        var isAccepted: Bool {
            switch self {
            case .zero, .integer, .fraction, .exponentDigits: true
            case .start, .minus, .point, .exponent, .exponentSign: false
            }
        }

        /// What follows a digit; `nil` where none may stand.
        func behindDigit(isZero: Bool) -> NumberScan? {
            switch self {
            case .start, .minus: isZero ? .zero : .integer
            case .zero: nil
            case .integer: .integer
            case .point, .fraction: .fraction
            case .exponent, .exponentSign, .exponentDigits: .exponentDigits
            }
        }

        /// What follows any other byte; `nil` where the number ends or is none.
        func behind(_ byte: UInt8) -> NumberScan? {
            switch (self, byte) {
            case (.start, UInt8(ascii: "-")): .minus
            case (.zero, UInt8(ascii: ".")), (.integer, UInt8(ascii: ".")): .point
            case (.zero, _), (.integer, _), (.fraction, _): byte | 0x20 == UInt8(ascii: "e") ? .exponent : nil
            case (.exponent, UInt8(ascii: "+")), (.exponent, UInt8(ascii: "-")): .exponentSign
            default: nil
            }
        }
    }

    /// Goes on in a number.
    mutating func takeNumber(_ bytes: UnsafeRawBufferPointer, _ scan: NumberScan) -> Token {
        var scan = scan
        while position < bytes.count {
            let byte = bytes[position]
            let isDigit = UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
            let following = isDigit ? scan.behindDigit(isZero: byte == UInt8(ascii: "0")) : scan.behind(byte)
            guard let following else { return scan.isAccepted && !isDigit ? .end : .fault }
            scan = following
            position += 1
        }
        place = .number(scan)
        return .exhausted
    }

    /// Goes on in a string.
    mutating func takeText(_ bytes: UnsafeRawBufferPointer) -> Token {
        while true {
            position = JSONScan.skipPlainText(bytes, from: position, stopsAtNonASCII: true)
            guard position < bytes.count else { return .exhausted }
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return .end
            case UInt8(ascii: "\\"):
                let token = takeEscape(bytes)
                guard token == .end else { return token }
            case 0x80...:
                let token = takeCharacter(bytes, byte)
                guard token == .end else { return token }
            case 0x20...: position += 1
            default: return .fault
            }
        }
    }

    /// Takes a character of several bytes (RFC 3629 section 4).
    private mutating func takeCharacter(_ bytes: UnsafeRawBufferPointer, _ first: UInt8) -> Token {
        guard let (count, second) = UTF8Form.continuation(of: first) else { return .fault }
        let available = min(count, bytes.count - position)
        if available > 1, !(second ~= bytes[position + 1]) { return .fault }
        for offset in 2..<max(available, 2) where bytes[position + offset] & 0xC0 != 0x80 { return .fault }
        guard available == count else { return .exhausted }
        position += count
        return .end
    }

    private mutating func takeEscape(_ bytes: UnsafeRawBufferPointer) -> Token {
        guard position + 1 < bytes.count else { return .exhausted }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
            return .end
        case UInt8(ascii: "u"):
            let digits = bytes[position + 2..<min(position + 6, bytes.count)]
            let isHexadecimal = digits.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20
            }
            guard isHexadecimal else { return .fault }
            guard digits.count == 4 else { return .exhausted }
            position += 6
            return .end
        default: return .fault
        }
    }
}

/// The well-formed byte sequences of RFC 3629 section 4.
private enum UTF8Form {
    /// How many bytes a character has that begins with this one, and what the second may be; `nil` where none begins so.
    static func continuation(of first: UInt8) -> (count: Int, second: ClosedRange<UInt8>)? {
        switch first {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: nil
        }
    }
}
