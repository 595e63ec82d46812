import HypiWire

/// Markdown, a line at a time: headings, lists, quotes, rules, code, tables, and what stands inside of lines.
struct Markdown: Sendable {
    /// What a line is, as its beginning tells.
    enum Kind: Equatable {
        case fence, code, heading, table, rule
        /// Prose; rows after the first stand below the text of a list item or quotation.
        case prose(hang: Int)

        /// How it is broken into rows.
        var wrapping: ScreenLine.Wrapping {
            switch self {
            case .fence, .code, .table: .none
            case .rule: .cut
            case .heading: .words(hang: 0)
            case .prose(let hang): .words(hang: hang)
            }
        }
    }

    private let style: Style
    /// What colours the code of the block that is open.
    private var code: CodeHighlighter?
    /// Lines of the table that is under way, which is laid out once it is complete.
    private(set) var table: [String] = []

    /// Lines of a table beyond this many are shown as they are.
    private static let tableLimit = 500

    init(_ style: Style) {
        self.style = style
    }

    /// What a line is.
    func kind(of line: String) -> Kind {
        let text = line.unicodeScalars.drop { $0 == " " }
        if text.starts(with: "```".unicodeScalars) || text.starts(with: "~~~".unicodeScalars) { return .fence }
        if code != nil { return .code }
        if text.first == "|" { return .table }
        if Self.isRule(text) { return .rule }
        let marks = line.unicodeScalars.prefix { $0 == "#" }
        if !marks.isEmpty, line.unicodeScalars.dropFirst(marks.count).first == " " { return .heading }
        return .prose(hang: line.unicodeScalars.count - text.count + Self.markerWidth(text))
    }

    /// `---`, `***`, `_ _ _`.
    private static func isRule(_ text: Substring.UnicodeScalarView) -> Bool {
        guard let mark = text.first, "-*_".unicodeScalars.contains(mark) else { return false }
        return text.allSatisfy { $0 == mark || $0 == " " } && text.count { $0 == mark } >= 3
    }

    /// Cells of `- `, `* `, `> ` or `12. ` before the text of a line.
    private static func markerWidth(_ text: Substring.UnicodeScalarView) -> Int {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let rest = text.dropFirst(digits.count)
        guard let mark = rest.first, rest.dropFirst().first == " " else { return 0 }
        let isMarker =
            digits.isEmpty
            ? "-*+>".unicodeScalars.contains(mark) : digits.count < 4 && ".)".unicodeScalars.contains(mark)
        return isMarker ? digits.count + 2 : 0
    }

    /// Takes the whole line, or the rest of one whose beginning was given out, and continues with the next.
    ///
    /// - Returns: The lines that are complete now: none for a row of a table, whose end is not known.
    mutating func end(_ text: String, _ kind: Kind, isStart: Bool) -> [ScreenLine] {
        if kind == .table, isStart, style.isColoured, table.count < Self.tableLimit {
            table.append(text)
            return []
        }
        let before = endTable()
        let dressed = dressWhole(text, kind, isStart: isStart)
        return before + [ScreenLine(text: dressed, wrapping: kind.wrapping)]
    }

    private mutating func dressWhole(_ text: String, _ kind: Kind, isStart: Bool) -> String {
        switch kind {
        case .fence:
            let language = text.drop { " `~".contains($0) }
            code = code == nil ? CodeHighlighter(String(language), style) : nil
            return dress(text, kind, isStart: isStart)
        case .code: return code?.dress(Self.printable(text)) ?? text
        default: return dress(text, kind, isStart: isStart)
        }
    }

    /// The table that is complete, if there is one.
    mutating func endTable() -> [ScreenLine] {
        defer { table = [] }
        return tableLines
    }

    /// The table so far, as it looks now.
    var tableLines: [ScreenLine] {
        if table.isEmpty { return [] }
        guard let laidOut = MarkdownTable(table, style) else {
            return table.map { ScreenLine(text: Self.printable($0), wrapping: .none) }
        }
        return [ScreenLine(text: "", wrapping: .table(laidOut))]
    }

    /// Dresses a line, or a part of it that may still grow.
    func dress(_ text: String, _ kind: Kind, isStart: Bool) -> String {
        let text = Self.printable(text)
        switch kind {
        case .fence: return style.dim(text)
        case .code:
            var code = code
            return code?.dress(text) ?? text
        case .heading: return style.bold(text)
        case .table: return text
        case .rule: return style.isColoured ? style.dim(String(repeating: "─", count: 200)) : text
        case .prose:
            let (marker, rest) = isStart ? self.marker(text) : ("", text[...])
            return marker + InlineMarkdown(style: style).dress(rest).dressed
        }
    }

    /// The marker of a list item or quotation, dressed, and the text after it.
    private func marker(_ text: String) -> (String, Substring) {
        guard style.isColoured else { return ("", text[...]) }
        let indent = text.prefix { $0 == " " }
        let rest = text[indent.endIndex...]
        let marker = rest.prefix(2)
        if marker == "> " || rest == ">" {
            let inner = String(rest.dropFirst(2))
            let (nested, text) = self.marker(inner)
            return (indent + style.dim("│ ") + nested, text)
        }
        guard ["- ", "* ", "+ "].contains(marker) else { return ("", text[...]) }
        let item = rest.dropFirst(2)
        for (box, sign) in [("[ ] ", "☐ "), ("[x] ", "☑ "), ("[X] ", "☑ ")] where item.hasPrefix(box) {
            return (indent + style.cyan(sign), item.dropFirst(box.count))
        }
        return (indent + style.cyan("• "), item)
    }

    /// Takes from growing prose what no later character can dress otherwise.
    ///
    /// - Parameters:
    ///   - text: The prose; what is taken is gone from it.
    ///   - kind: What the line is.
    ///   - isStart: Whether the text begins the line.
    ///   - patience: Characters that an open mark may wait for its end before it is taken literally.
    /// - Returns: What was taken, dressed.
    func takeSettled(_ text: inout String, _ kind: Kind, isStart: Bool, patience: Int) -> String {
        guard case .prose = kind, style.isColoured else {
            defer { text = "" }
            return dress(text, kind, isStart: isStart)
        }
        let (marker, body) = isStart ? self.marker(Self.printable(text)) : ("", Self.printable(text)[...])
        let (dressed, rest) = InlineMarkdown(style: style, patience: patience).dress(body)
        text = String(rest)
        return marker + dressed
    }

    /// A line without control characters; tabs are widened, since nobody knows where the line will stand.
    static func printable(_ text: String) -> String {
        text.contains("\t")
            ? text.replacing("\t", with: "    ").withoutControlCharacters : text.withoutControlCharacters
    }
}
