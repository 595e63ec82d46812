/// Text as one word of a POSIX shell, for commands that messages suggest and that completion inserts.
public enum ShellWord {
    /// The word: unchanged if the shell takes it literally, otherwise in single quotes.
    public static func quoted(_ text: String) -> String {
        guard text.isEmpty || !text.utf8.allSatisfy(isPlain) else { return text }
        return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    /// Whether every shell takes a byte literally, wherever it is in a word.
    static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
            true
        default: "/._-+:@%,".utf8.contains(byte)
        }
    }
}
