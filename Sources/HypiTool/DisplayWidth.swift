/// How many columns of a terminal a text takes.
///
/// The C library's `wcwidth` knows only the locale it runs in, and under cron that is `C`; this is the same everywhere.
public enum DisplayWidth {
    /// The columns of a text without control characters: 2 for East Asian wide characters and emoji, 0 for marks.
    public static func of(_ text: some StringProtocol) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.reduce(0) { $0 + of(character: $1) }
    }

    /// The longest beginning of a text that fits into `width` columns.
    public static func prefix(_ text: String, fitting width: Int) -> String {
        String(take(text, fitting: width))
    }

    /// The longest end of a text that fits into `width` columns.
    public static func suffix(_ text: String, fitting width: Int) -> String {
        String(take(text.reversed(), fitting: width).reversed())
    }

    private static func take(_ characters: some Sequence<Character>, fitting width: Int) -> [Character] {
        var rest = width
        var taken: [Character] = []
        for character in characters {
            rest -= of(character: character)
            guard rest >= 0 else { break }
            taken.append(character)
        }
        return taken
    }

    private static func of(character: Character) -> Int {
        var width = 0
        for scalar in character.unicodeScalars {
            // Variation selector 16 asks for the emoji form of what stands before it.
            width = max(width, scalar.value == 0xFE0F ? 2 : of(scalar: scalar))
        }
        return width
    }

    private static func of(scalar: Unicode.Scalar) -> Int {
        if scalar.value < 0x300 { return scalar.value < 0x20 || 0x7F..<0xA0 ~= scalar.value ? 0 : 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: return 0
        default: break
        }
        return isWide(scalar.value) || scalar.properties.isEmojiPresentation ? 2 : 1
    }

    /// The blocks that Unicode's EastAsianWidth.txt (UAX 11) has as wide or fullwidth; emoji are asked for elsewhere.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97C,
            0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x17000...0x18CFF,
            0x1AFF0...0x1B2FF, 0x1F200...0x1F265, 0x20000...0x3FFFD:
            true
        default: false
        }
    }
}
