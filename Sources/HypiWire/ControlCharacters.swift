extension String {
    /// The text as a part of one line, without anything that a terminal would obey.
    ///
    /// For everything that comes from a peer and goes to a terminal or a log line: drops whole escape sequences, control
    /// characters and bidirectional controls; line breaks and tabs become spaces.
    public var withoutControlCharacters: String {
        shown(by: .line)
    }

    /// The text as a terminal may show it.
    ///
    /// - Parameter rule: What remains beside plain text. Text that comes in pieces needs one ``TerminalFilter`` for all
    ///   of them.
    /// - Returns: The text without escape sequences, other control characters and bidirectional controls.
    public func shown(by rule: TerminalFilter.Rule) -> String {
        var filter = TerminalFilter(rule)
        return filter.append(self)
    }

    /// A JSON text as a terminal may show it: the same JSON value, with control characters as `\u` escapes.
    ///
    /// JSON escapes C0 itself; this escapes DEL, C1, line separators and bidirectional controls, which can only stand
    /// inside of strings.
    public var withEscapedControlCharacters: String {
        guard unicodeScalars.contains(where: \.isEscapedInShownJSON) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isEscapedInShownJSON {
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// Whether a terminal would obey it: C0, DEL, C1 and the characters with the property Bidi_Control.
    var isTerminalControl: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    fileprivate var isEscapedInShownJSON: Bool {
        switch value {
        case 0x0A: false
        case 0x2028, 0x2029: true
        default: isTerminalControl
        }
    }
}
