/// Identifiers as pi makes them: random, of a fixed shape.
enum Identifier {
    /// A version 4 UUID (RFC 9562 section 5.4), in lower case.
    static func uuid() -> String {
        var high = UInt64.random(in: .min ... .max)
        var low = UInt64.random(in: .min ... .max)
        high = high & ~0xF000 | 0x4000
        low = low & ~(3 << 62) | 2 << 62
        let digits = Array(hex(high, 16) + hex(low, 16))
        let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
        return groups.map { String($0) }.joined(separator: "-")
    }

    /// The id of a session entry: 8 hexadecimal digits, unlike any of those `taken`.
    static func entry(unlike taken: Set<String>) -> String {
        while true {
            let id = hex(UInt64(UInt32.random(in: .min ... .max)), 8)
            if !taken.contains(id) { return id }
        }
    }

    /// The id of a tool call.
    static func toolCall(_ number: Int) -> String {
        "call_\(number)_\(hex(UInt64(UInt32.random(in: .min ... .max)), 8))"
    }

    private static func hex(_ value: UInt64, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: width - digits.count) + digits
    }
}
