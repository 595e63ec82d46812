/// Text as it streams: lines that are complete, rows of a long line as soon as nothing can change them, and the rest.
///
/// What was given out goes to the terminal's scrollback, so that a paragraph may be longer than the screen. Lines of code
/// are given out whole: only then does the terminal know that their rows belong together.
struct GrowingText {
    private let style: Style
    private var markdown: Markdown
    private let isDim: Bool
    /// The end of the text that has no line break yet and is not dressed for good.
    private var source = ""
    /// What is dressed for good and was not given out.
    private var settled = ""
    /// What the line is; `nil` until a part of it was given out.
    private var kind: Markdown.Kind?
    /// What stood behind the rows that were given out; `nil` before the first.
    private var gap: String?

    /// An empty text; `isDim` for thoughts, in which Markdown is left alone.
    init(_ style: Style, isDim: Bool = false) {
        self.style = style
        self.isDim = isDim
        markdown = Markdown(style)
    }

    /// Whether a line, or a table, is under way.
    var isGrowing: Bool { isInLine || !markdown.table.isEmpty }

    private var isInLine: Bool { gap != nil || !source.isEmpty || !settled.isEmpty }

    /// Takes more text.
    ///
    /// - Returns: The lines that are complete now.
    mutating func append(_ text: String) -> [ScreenLine] {
        var lines: [ScreenLine] = []
        // Cut at LF scalars: in "\r\n" or before a combining mark a Character would hide it.
        var rest = text.unicodeScalars[...]
        while let end = rest.firstIndex(of: "\n") {
            source.unicodeScalars.append(contentsOf: rest[..<end])
            lines += endLine()
            rest = rest[rest.index(after: end)...]
        }
        source.unicodeScalars.append(contentsOf: rest)
        return lines
    }

    /// Ends the line under way, also an empty one.
    ///
    /// - Returns: The lines that are complete now.
    mutating func endLine() -> [ScreenLine] {
        let kind = self.kind ?? markdown.kind(of: source)
        let isStart = self.kind == nil
        defer { (source, settled, self.kind, gap) = ("", "", nil, nil) }
        if isDim { return [ScreenLine(text: settled + dimmed(source), wrapping: wrapping(kind), gap: gap)] }
        var lines = markdown.end(source, kind, isStart: isStart)
        if var last = lines.popLast() {
            last.text = settled + last.text
            last.gap = gap
            lines.append(last)
        }
        return lines
    }

    /// Ends the text: what is under way is complete.
    mutating func endText() -> [ScreenLine] {
        let line = isInLine ? endLine() : []
        return line + markdown.endTable()
    }

    /// Rows of the line under way that nothing can change any more.
    ///
    /// - Parameter width: The screen's; `Int.max` where rows are of no interest.
    /// - Returns: Them, in order; each begins a row of its own.
    mutating func takeRows(width: Int) -> [ScreenLine] {
        guard source.utf8.count + settled.utf8.count > width else { return [] }
        let kind = self.kind ?? markdown.kind(of: source)
        guard case .words(let hang) = wrapping(kind) else { return [] }
        settled +=
            isDim
            ? takeDimmed()
            : markdown.takeSettled(
                &source, kind, isStart: self.kind == nil, patience: max(Self.patience, 3 * width))
        let rows = WordWrap.rows(settled, width: width, hang: min(hang, width / 3), isContinued: gap != nil)
        guard let last = rows.last, rows.count > 1 else { return keep(kind) }
        let parts = rows.dropLast().map { row in
            defer { gap = row.gap }
            return ScreenLine(text: row.text, wrapping: wrapping(kind), gap: gap)
        }
        settled = last.text + last.gap
        self.kind = kind
        return parts
    }

    private mutating func keep(_ kind: Markdown.Kind) -> [ScreenLine] {
        self.kind = kind
        return []
    }

    /// What is under way, as it looks now: the table before the line, and the line.
    var live: [ScreenLine] {
        guard isInLine else { return markdown.tableLines }
        let kind = self.kind ?? markdown.kind(of: source)
        // Nobody sees more of a line without end than a screen holds.
        let end = source.utf8.count > Self.liveLimit ? String(source.unicodeScalars.suffix(Self.liveLimit)) : source
        let text = settled + (isDim ? dimmed(end) : markdown.dress(end, kind, isStart: self.kind == nil))
        return markdown.tableLines + [ScreenLine(text: text, wrapping: wrapping(kind), gap: gap)]
    }

    private mutating func takeDimmed() -> String {
        defer { source = "" }
        return dimmed(source)
    }

    private func dimmed(_ text: String) -> String {
        style.dim(Markdown.printable(text))
    }

    private func wrapping(_ kind: Markdown.Kind) -> ScreenLine.Wrapping {
        isDim ? .words(hang: 0) : kind.wrapping
    }

    /// Characters that an open mark may wait for its other end at least; on wide screens three rows.
    private static let patience = 64
    /// Scalars that are looked at of a line that grows without end.
    private static let liveLimit = 1 << 15
}
