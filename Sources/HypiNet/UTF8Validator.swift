/// Checks UTF-8 that arrives in pieces and fails at the first byte that cannot be right (RFC 3629, RFC 6455 section 8.1).
struct UTF8Validator {
    /// Continuation bytes that the current character still needs.
    private var needed = 0
    /// The range the next continuation byte must be in; narrower than 80..BF behind E0, ED, F0 and F4.
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    /// Whether the text so far ends at a character's end.
    var isAtBoundary: Bool {
        needed == 0
    }

    /// Takes the next piece; answers false if the text can no longer become valid.
    mutating func accept(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            if needed == 0, position + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
            {
                position += 8
                continue
            }
            guard accept(bytes[position]) else { return false }
            position += 1
        }
        return true
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        guard needed == 0 else {
            guard lower...upper ~= byte else { return false }
            (lower, upper) = (0x80, 0xBF)
            needed -= 1
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: needed = 1
        case 0xE0: (needed, lower) = (2, 0xA0)
        case 0xED: (needed, upper) = (2, 0x9F)
        case 0xE1...0xEF: needed = 2
        case 0xF0: (needed, lower) = (3, 0x90)
        case 0xF1...0xF3: needed = 3
        case 0xF4: (needed, upper) = (3, 0x8F)
        default: return false
        }
        return true
    }
}
