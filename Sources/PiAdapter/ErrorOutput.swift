/// What pi, or the runtime it runs on, writes to stderr before it ends.
public enum ErrorOutput {
    /// The line that says why.
    ///
    /// Node prints the error, then where it happened, then its version; pi prints the error and then a hint. So it is the
    /// last line without an indent that begins like an error, else the last one that is not part of a stack trace.
    ///
    /// - Parameter text: Lines, joined by LF.
    /// - Returns: The line without blanks around it; empty if there is none.
    public static func complaint(in text: String) -> String {
        let lines = text.split(separator: "\n").filter { $0.contains { !$0.isWhitespace } }
        let line = lines.last(where: isError) ?? lines.last { !isTrace($0) } ?? lines.last
        guard let line, let start = line.firstIndex(where: { !$0.isWhitespace }),
            let end = line.lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(line[start...end])
    }

    /// Whether a line begins like `Error:`, `TypeError [ERR_X]:`, `error:`, `Uncaught Error:` or `fatal:`.
    private static func isError(_ line: Substring) -> Bool {
        guard let colon = line.firstIndex(of: ":"), let first = line.first, !first.isWhitespace else { return false }
        let head = line[..<colon]
        let name = head.split(separator: " ").first { $0 != "Uncaught" } ?? ""
        return name == "fatal" || name == "FATAL" || name.lowercased().hasSuffix("error")
            || name.hasSuffix("Exception")
    }

    private static func isTrace(_ line: Substring) -> Bool {
        let text = line.drop(while: \.isWhitespace)
        return text.hasPrefix("at ") || text.hasPrefix("Node.js v") || text.allSatisfy { "^{}~ ".contains($0) }
            || text.hasPrefix("Hint:")
    }
}
