/// A table of a text, drawn with columns that are aligned, and cells that are broken between words where it is too wide.
struct MarkdownTable: Sendable, Equatable {
    /// Where a column's text stands.
    enum Alignment: Sendable {
        case left, centre, right
    }

    private let header: [String]
    private let rows: [[String]]
    private let alignments: [Alignment]
    private let style: Style

    /// Cells that a column has at least.
    private static let narrowest = 4

    /// A table from its lines, of which the second says how columns are aligned; `nil` if they are none.
    init?(_ lines: [String], _ style: Style) {
        guard lines.count >= 2, let alignments = Self.alignments(lines[1]) else { return nil }
        let inline = InlineMarkdown(style: style)
        let cells = { (line: String) in
            Self.cells(line).prefix(alignments.count).map { inline.dress(Markdown.printable($0)[...]).dressed }
        }
        header = cells(lines[0]).map(style.bold)
        guard header.count == alignments.count else { return nil }
        rows = lines.dropFirst(2).map(cells)
        self.alignments = alignments
        self.style = style
    }

    /// Whether a line may be the one that says how columns are aligned.
    private static func alignments(_ line: String) -> [Alignment]? {
        let cells = cells(line)
        let isRule = { (cell: String) in
            cell.contains("-") && cell.allSatisfy { "-: ".contains($0) }
        }
        guard !cells.isEmpty, cells.allSatisfy(isRule) else { return nil }
        return cells.map { cell in
            cell.hasSuffix(":") ? (cell.hasPrefix(":") ? .centre : .right) : .left
        }
    }

    /// The cells of a line; `\|` is a bar inside of one, and so is a bar in code.
    static func cells(_ line: String) -> [String] {
        var cells: [String] = [""]
        var (isEscaped, isCode) = (false, false)
        for character in line.drop(while: { $0 == " " }) {
            if character == "`" { isCode.toggle() }
            if character == "|", !isEscaped, !isCode {
                cells.append("")
            } else {
                if isEscaped, character == "|" { cells[cells.count - 1].removeLast() }
                cells[cells.count - 1].append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        if cells.first?.allSatisfy({ $0 == " " }) == true { cells.removeFirst() }
        if cells.last?.allSatisfy({ $0 == " " }) == true { cells.removeLast() }
        return cells.map { cell in
            String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// The table in rows of a width.
    func rows(width: Int) -> [String] {
        guard let widths = widths(in: width) else { return stacked(width: width) }
        let rule = style.dim(widths.map { String(repeating: "─", count: $0) }.joined(separator: "─┼─"))
        return rows(of: header, widths) + [rule] + rows.flatMap { rows(of: $0, widths) }
    }

    /// Cells of each column; `nil` if there are too many columns.
    private func widths(in width: Int) -> [Int]? {
        var widths = alignments.indices.map { (column: Int) -> Int in
            let cells = ([header] + rows).filter { column < $0.count }.map { TextWidth.shownCells($0[column]) }
            return max(1, cells.max() ?? 0)
        }
        let room = width - 3 * (widths.count - 1)
        while widths.reduce(0, +) > room {
            guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > Self.narrowest
            else { return nil }
            widths[widest] -= 1
        }
        return widths
    }

    private func rows(of cells: [String], _ widths: [Int]) -> [String] {
        let columns = widths.indices.map { column in
            WordWrap.rows(
                column < cells.count ? cells[column] : "", width: widths[column], hang: 0, isContinued: false
            ).map(\.text)
        }
        let bar = style.dim(" │ ")
        return (0..<(columns.map(\.count).max() ?? 0)).map { row in
            let line = widths.indices.map { column in
                let text = row < columns[column].count ? columns[column][row] : ""
                return pad(text, to: widths[column], alignments[column], isLast: column == widths.count - 1)
            }
            return line.joined(separator: bar)
        }
    }

    private func pad(_ text: String, to width: Int, _ alignment: Alignment, isLast: Bool) -> String {
        let room = max(0, width - TextWidth.shownCells(text))
        let left: Int
        switch alignment {
        case .left: left = 0
        case .centre: left = room / 2
        case .right: left = room
        }
        let right = isLast ? 0 : room - left
        return String(repeating: " ", count: left) + text + String(repeating: " ", count: right)
    }

    /// For a narrow screen: each row as a list.
    private func stacked(width: Int) -> [String] {
        rows.flatMap { row in
            zip(header, row).flatMap { name, cell in
                ScreenLine(text: name + ": " + cell, wrapping: .words(hang: 2)).rows(width: width)
            } + [""]
        }
    }
}
