import HypiWire
import Testing

@Suite("Text of peers on terminals")
struct TerminalFilterTests {
    /// Sequences, each of which has to vanish with everything in it.
    static let sequences = [
        "\u{1B}]52;c;cm0gLXJm\u{7}", "\u{1B}]0;title\u{1B}\\", "\u{9D}0;title\u{9C}", "\u{1B}]8;;http://x\u{7}",
        "\u{1B}[2J", "\u{1B}[?1049h", "\u{1B}[>4;2m", "\u{9B}31m", "\u{9B}6n", "\u{1B}[1;2 q", "\u{1B}[31m",
        "\u{1B}[m", "\u{1B}P+q544e\u{1B}\\", "\u{90}q#0\u{9C}", "\u{1B}_Ga=T;AAAA\u{1B}\\", "\u{1B}^pm\u{1B}\\",
        "\u{1B}Xsos\u{1B}\\", "\u{1B}ktitle\u{1B}\\", "\u{1B}Ptmux;\u{1B}\u{1B}]52;c;eA==\u{7}\u{1B}\\", "\u{1B}c",
        "\u{1B}7", "\u{1B}(0",
        "\u{1B}#8", "\u{8}", "\u{7}", "\u{7F}", "\u{84}", "\u{202E}", "\u{2066}", "\u{200F}", "\u{61C}", "\u{0}",
    ]

    @Test("Whole sequences vanish, in one piece and cut at any byte")
    func dropsWholeSequences() {
        for sequence in Self.sequences {
            let text = "é\(sequence)ok"
            let bytes = Array(text.utf8)
            let name = text.debugDescription
            #expect(text.shown(by: .line) == "éok" && text.shown(by: .lines) == "éok", "\(name)")
            for cut in 0...bytes.count {
                var filter = TerminalFilter(.lines)
                let shown = filter.append(Array(bytes[..<cut])) + filter.append(Array(bytes[cut...]))
                #expect(String(decoding: shown, as: UTF8.self) == "éok", "\(name), cut at \(cut)")
            }
        }
    }

    @Test("Colours remain where the rule keeps them, and only colours")
    func keepsColors() {
        #expect("\u{1B}[1;32mok\u{1B}[0m".shown(by: .coloredLine) == "\u{1B}[1;32mok\u{1B}[0m")
        #expect("\u{9B}38:5:1mok".shown(by: .coloredLines) == "\u{1B}[38:5:1mok")
        #expect("a\u{1B}[>4;2mb\u{1B}[2Kc\u{1B}[1 md\u{1B}]0;x\u{7}e".shown(by: .coloredLines) == "abcde")
        let long = "\u{1B}[" + String(repeating: "1;", count: 100) + "mok"
        #expect(long.shown(by: .coloredLine) == "ok")
    }

    @Test("Line breaks of every kind remain one line break, or one space")
    func lineBreaks() {
        #expect("a\r\nb\rc\nd\u{85}e\u{2028}f\tg".shown(by: .lines) == "a\nb\nc\nd\ne\nf\tg")
        #expect("a\r\nb\rc\nd\u{2029}e\tf".withoutControlCharacters == "a b c d e f")
    }

    @Test("A sequence that never ends hides no more than its line")
    func unterminated() {
        #expect("a\u{1B}]0;never\nb".shown(by: .lines) == "a\nb")
        #expect("a\u{1B}[31\nb\u{1B}".shown(by: .lines) == "a\nb")
        #expect("\u{1B}éa".shown(by: .line) == "éa")
    }

    @Test("Text without controls stays as it is, emoji with joiners too")
    func plainText() {
        let text = "plain, Ünïcode, 👩‍👩‍👧, نص, ~{}[];m"
        #expect(text.shown(by: .lines) == text)
        #expect(text.withEscapedControlCharacters == text)
    }

    @Test("Shown JSON is the same value, without controls")
    func json() throws {
        let value: JSON = ["a": "x\u{9B}31m\u{202E}\u{7F}\u{2028}y\u{1B}]0;t\u{7}"]
        let shown = value.text.withEscapedControlCharacters
        #expect(!shown.unicodeScalars.contains { (0x7F...0x9F).contains($0.value) || $0.value == 0x202E })
        #expect(try JSON(parsing: shown) == value)
    }
}
