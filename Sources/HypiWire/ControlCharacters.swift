extension String {
    /// The text without what could move a cursor, ring a bell or start an escape sequence.
    ///
    /// For everything that comes from a peer and goes to a terminal or a log line: C0, DEL, C1 and the bidirectional
    /// overrides are dropped, line breaks and tabs become spaces.
    public var withoutControlCharacters: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.value {
            case 0x09, 0x0A, 0x0D, 0x2028, 0x2029: text.unicodeScalars.append(" ")
            case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: break
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
