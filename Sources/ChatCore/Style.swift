import HypiWire

/// How text is dressed on a terminal; without colour everything stays plain.
struct Style: Sendable, Equatable {
    /// Whether the terminal takes colours and attributes.
    var isColoured: Bool
    /// Whether the terminal takes links (OSC 8).
    var hasLinks = false

    func bold(_ text: String) -> String { wrap("1", text, "22") }
    func dim(_ text: String) -> String { wrap("2", text, "22") }
    func red(_ text: String) -> String { wrap("31", text, "39") }
    func green(_ text: String) -> String { wrap("32", text, "39") }
    func yellow(_ text: String) -> String { wrap("33", text, "39") }
    func cyan(_ text: String) -> String { wrap("36", text, "39") }
    func magenta(_ text: String) -> String { wrap("35", text, "39") }
    func italic(_ text: String) -> String { wrap("3", text, "23") }
    func underline(_ text: String) -> String { wrap("4", text, "24") }
    func strike(_ text: String) -> String { wrap("9", text, "29") }

    /// What ends a link.
    static let linkEnd = "\u{1B}]8;;\u{1B}\\"

    /// A link (OSC 8) where the terminal knows them; elsewhere the target stands after the text, unless it is the text.
    func link(_ text: String, to target: String, isBare: Bool) -> String {
        guard isColoured else { return text }
        // Only the characters that a URL may have (RFC 3986) reach the terminal.
        let allowed = target.unicodeScalars.prefix(2000).filter { $0.value > 0x20 && $0.value < 0x7F }
        let url = String(String.UnicodeScalarView(allowed))
        let isAddress = url.hasPrefix("http://") || url.hasPrefix("https://") || url.hasPrefix("mailto:")
        guard hasLinks, isAddress, url == target else {
            return isBare ? underline(text) : underline(text) + dim(" (\(target))")
        }
        return "\u{1B}]8;;\(url)\u{1B}\\" + underline(text) + Self.linkEnd
    }

    private func wrap(_ on: String, _ text: String, _ off: String) -> String {
        isColoured && !text.isEmpty ? "\u{1B}[\(on)m\(text)\u{1B}[\(off)m" : text
    }
}
