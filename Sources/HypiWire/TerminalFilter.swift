/// Removes from a peer's text everything that a terminal would obey instead of showing it.
///
/// Drops whole sequences with their contents (ECMA-48: CSI, OSC, DCS, APC, PM, SOS and short escapes, in their 7-bit and
/// C1 forms), all other control characters and the bidirectional controls. The text may come in pieces, cut anywhere,
/// also inside a sequence or a character.
///
/// A string sequence that is never terminated ends with its line, so that it cannot hide the rest of a text.
public struct TerminalFilter: Sendable {
    /// What remains beside plain text.
    public struct Rule: Sendable, Hashable {
        /// Whether line breaks and tabs remain; otherwise they become spaces.
        public var keepsLines: Bool
        /// Whether colours and other character attributes (SGR) remain.
        ///
        /// The caller resets them at the end of the text.
        public var keepsColors: Bool

        /// For text of several lines: line breaks and tabs remain, and a lone CR becomes a line break.
        public static let lines = Rule(keepsLines: true, keepsColors: false)
        /// Like ``lines``; colours remain, too.
        public static let coloredLines = Rule(keepsLines: true, keepsColors: true)
        /// For a part of one line.
        public static let line = Rule(keepsLines: false, keepsColors: false)
        /// Like ``line``; colours remain, too.
        public static let coloredLine = Rule(keepsLines: false, keepsColors: true)
    }

    private enum State {
        case text
        /// After a CR that became a line break: an LF right after it belongs to the same one.
        case carriageReturn
        /// After ESC, and after the intermediate characters of a short escape.
        case escape
        /// In a CSI, with what could still become a kept colour; `nil` if it cannot.
        case control(parameters: String?)
        /// In the contents of an OSC, DCS, APC, PM or SOS.
        case string
    }

    private let rule: Rule
    private var state = State.text
    /// The beginning of a character whose end has not come.
    private var cut: [UInt8] = []

    /// Parameters of a colour beyond this many characters are not kept.
    private static let colorCharacters = 64

    /// A filter at the beginning of a text.
    public init(_ rule: Rule) {
        self.rule = rule
    }

    /// Takes the next piece of the text.
    ///
    /// - Returns: What of it is shown; the end of a cut sequence or character follows with the next piece.
    public mutating func append(_ text: String) -> String {
        if case .text = state, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
        var shown = ""
        shown.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars { take(scalar, &shown) }
        return shown
    }

    /// Takes the next bytes of the text; bytes that are not valid UTF-8 become U+FFFD.
    ///
    /// - Returns: What of it is shown.
    public mutating func append(_ bytes: [UInt8]) -> [UInt8] {
        var whole = cut + bytes
        cut = Array(whole.suffix(Self.cutLength(whole)))
        whole.removeLast(cut.count)
        return Array(append(String(decoding: whole, as: UTF8.self)).utf8)
    }

    /// How many bytes at the end begin a character that needs more of them.
    private static func cutLength(_ bytes: [UInt8]) -> Int {
        for (count, byte) in bytes.reversed().prefix(3).enumerated() where byte & 0xC0 != 0x80 {
            let needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return count + 1 < needed ? count + 1 : 0
        }
        return 0
    }

    private mutating func take(_ scalar: Unicode.Scalar, _ shown: inout String) {
        switch state {
        case .text: takePlain(scalar, &shown)
        case .carriageReturn:
            state = .text
            if scalar != "\n" { takePlain(scalar, &shown) }
        case .escape: takeEscaped(scalar, &shown)
        case .control(let parameters): takeControl(scalar, parameters, &shown)
        case .string: takeString(scalar, &shown)
        }
    }

    private mutating func takePlain(_ scalar: Unicode.Scalar, _ shown: inout String) {
        switch scalar.value {
        case 0x1B: state = .escape
        case 0x9B: state = .control(parameters: "")
        case 0x90, 0x98, 0x9D...0x9F: state = .string
        case 0x09: shown.unicodeScalars.append(rule.keepsLines ? scalar : " ")
        case 0x0D:
            state = .carriageReturn
            shown.unicodeScalars.append(rule.keepsLines ? "\n" : " ")
        case 0x0A, 0x85, 0x2028, 0x2029: shown.unicodeScalars.append(rule.keepsLines ? "\n" : " ")
        default: if !scalar.isTerminalControl { shown.unicodeScalars.append(scalar) }
        }
    }

    private mutating func takeEscaped(_ scalar: Unicode.Scalar, _ shown: inout String) {
        switch scalar {
        case "\u{1B}", " "..."/": break
        case "[": state = .control(parameters: "")
        // ESC k is the title of screen and tmux, which ends as the standard's strings do.
        case "]", "P", "X", "^", "_", "k": state = .string
        case "0"..."~": state = .text
        default:
            state = .text
            takePlain(scalar, &shown)
        }
    }

    private mutating func takeControl(_ scalar: Unicode.Scalar, _ parameters: String?, _ shown: inout String) {
        switch scalar {
        case "0"..."9", ";", ":":
            let isShort = parameters?.utf8.count ?? 0 < Self.colorCharacters
            state = .control(parameters: isShort ? parameters.map { $0 + String(scalar) } : nil)
        case " "..."?": state = .control(parameters: nil)
        case "@"..."~":
            state = .text
            if rule.keepsColors, scalar == "m", let parameters { shown += "\u{1B}[\(parameters)m" }
        default:
            state = .text
            takePlain(scalar, &shown)
        }
    }

    private mutating func takeString(_ scalar: Unicode.Scalar, _ shown: inout String) {
        switch scalar.value {
        case 0x07, 0x18, 0x1A, 0x9C: state = .text
        case 0x1B: state = .escape
        case 0x0A, 0x0D:
            state = .text
            takePlain(scalar, &shown)
        default: break
        }
    }
}
