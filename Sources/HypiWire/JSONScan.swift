/// Steps over JSON text without decoding it; what parser and key scanner share.
enum JSONScan {
    /// The first position at or after `start` that is not white space (RFC 8259 section 2).
    static func skipWhitespace(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): position += 1
            default: return position
            }
        }
        return position
    }

    /// The position of the quote that ends the string whose content starts at `start`; `nil` if there is none.
    static func endOfString(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        while position < bytes.count {
            position = skipPlainText(bytes, from: position)
            guard position < bytes.count else { return nil }
            switch bytes[position] {
            case UInt8(ascii: "\""): return position
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        return nil
    }

    /// Steps over sixteen and then eight bytes at a time while none of them is a quote, a backslash or a control
    /// character, nor, if that is asked for, a part of a character that is not ASCII.
    static func skipPlainText(
        _ bytes: UnsafeRawBufferPointer, from start: Int, stopsAtNonASCII: Bool = false
    ) -> Int {
        typealias Block = SIMD16<UInt8>
        let last = Block(repeating: stopsAtNonASCII ? 0x7F : 0xFF)
        var position = start
        while position + 16 <= bytes.count {
            let block = bytes.loadUnaligned(fromByteOffset: position, as: Block.self)
            let isQuote = block .== Block(repeating: UInt8(ascii: "\""))
            let isSlash = block .== Block(repeating: UInt8(ascii: "\\"))
            let isOutside = (block .< Block(repeating: 0x20)) .| (block .> last)
            if any(isQuote .| isSlash .| isOutside) { break }
            position += 16
        }
        return skipPlainWords(bytes, from: position, stopsAtNonASCII: stopsAtNonASCII)
    }

    private static func skipPlainWords(
        _ bytes: UnsafeRawBufferPointer, from start: Int, stopsAtNonASCII: Bool
    ) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        let stopping = stopsAtNonASCII ? highs : 0
        var position = start
        while position + 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let quotes = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let slashes = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            // A byte of x is zero exactly if (x - 1) & ~x has its high bit set, and below 0x20 if (x - 0x20) & ~x has, up
            // to borrows that only add candidates behind the first.
            let controls = (word &- ones &* 0x20) & ~word
            let found = ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes | controls | word & stopping) & highs
            guard found == 0 else { return position + found.littleEndian.trailingZeroBitCount / 8 }
            position += 8
        }
        return position
    }

    /// The first position at or after `start` that is not a plain ASCII character: a quote, a backslash, a control
    /// character or a part of a longer one; the end of the text if there is none.
    static func skipPlainASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = skipPlainText(bytes, from: start, stopsAtNonASCII: true)
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x80...: return position
            default: position += 1
            }
        }
        return position
    }

    /// The position behind the value that starts at `start`; `nil` if the text ends before it does.
    ///
    /// Checks nesting only: a caller that needs valid JSON parses it.
    static func endOfValue(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var position = start
        var depth = 0
        repeat {
            guard position < bytes.count else { return nil }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                guard let end = endOfString(bytes, from: position + 1) else { return nil }
                position = end + 1
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return nil }
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"),
                UInt8(ascii: "\r"):
                guard depth > 0 else { return nil }
                position += 1
            default:
                position = endOfScalar(bytes, from: position)
            }
        } while depth > 0
        return position
    }

    private static func endOfScalar(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"), UInt8(ascii: " "),
                UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\""):
                return position
            default: position += 1
            }
        }
        return position
    }
}
