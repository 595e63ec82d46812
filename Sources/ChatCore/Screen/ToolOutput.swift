import HypiWire

/// The output of a tool as lines: colours kept, progress bars as they ended, folded by rows.
struct ToolOutput {
    /// Rows of one line that are shown while the output is folded.
    private static let rowsOfLine = 3

    /// Lines as a terminal of a screen's width would show them.
    ///
    /// - Parameters:
    ///   - text: What the tool printed.
    ///   - limit: Rows that are shown; `nil` for all.
    ///   - width: Cells of a row.
    ///   - style: Whether colours are shown.
    ///   - dress: How a line is dressed that has no colours of its own.
    /// - Returns: Lines without their indentation, and what was left out: lines, and whether a line was cut.
    static func lines(
        _ text: String, limit: Int?, width: Int, _ style: Style, _ dress: (String) -> String
    ) -> (lines: [String], hidden: Int, isCut: Bool) {
        var all = text.split(separator: "\n", omittingEmptySubsequences: false)
        // "\r\n" is one Character, which the split by "\n" leaves in place.
        if text.utf8.contains(0x0D) {
            all = text.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: false)
                .map { Substring(Self.overwritten($0)) }
        }
        while all.last?.allSatisfy(\.isWhitespace) == true { all.removeLast() }
        var (lines, room, isCut) = ([String](), limit ?? .max, false)
        var attributes = TextAttributes()
        for (index, line) in all.enumerated() {
            // A remark takes a row itself, so the last line is shown in its place.
            let isLast = index == all.count - 1
            guard room > 0 || (isLast && room == 0) else { break }
            var text = dressed(String(line), &attributes, style, dress)
            if limit != nil {
                let rows = TextWidth.rows(text, width: max(10, width - 2))
                let count = min(rows.count, Self.rowsOfLine, max(1, room))
                if count < rows.count {
                    isCut = true
                    text = rows.prefix(count).joined() + "\u{1B}[m…"
                    if !style.isColoured { text = rows.prefix(count).joined() + "…" }
                }
                room -= count
            }
            lines.append(text)
        }
        return (lines, all.count - lines.count, isCut)
    }

    /// What a line shows after carriage returns: the text after the last one that has any.
    private static func overwritten(_ line: Substring) -> String {
        String(line.split(separator: "\r").last ?? "")
    }

    private static func dressed(
        _ line: String, _ attributes: inout TextAttributes, _ style: Style, _ dress: (String) -> String
    ) -> String {
        guard style.isColoured else { return Markdown.printable(line) }
        let opening = attributes.opening
        let text = line.replacing("\t", with: "    ").shown(by: .coloredLine)
        guard text.contains("\u{1B}") || !opening.isEmpty else { return dress(text) }
        var iterator = text.unicodeScalars.makeIterator()
        while let scalar = iterator.next() {
            guard scalar == "\u{1B}" else { continue }
            attributes.apply("\u{1B}" + String(EscapeSequence.rest(&iterator)))
        }
        return opening + text + attributes.closing
    }
}
