import HypiWire

/// Rows under titles, fitted to a width: for people, where a program would get NDJSON.
public struct Table: Sendable {
    /// How the text of a cell looks where colours are welcome.
    public enum Style: String, Sendable {
        /// As everything else.
        case plain = ""
        /// Less important.
        case dim = "2"
        /// A title.
        case bold = "1"
        /// Something is wrong.
        case red = "31"
        /// All is well.
        case green = "32"
        /// Somebody is needed.
        case yellow = "33"
        /// Something goes on.
        case cyan = "36"
    }

    /// One cell.
    public struct Cell: Sendable {
        /// Its text; control characters are dropped when it is shown.
        public var text: String
        /// How it looks.
        public var style: Style

        /// A cell.
        public init(_ text: String, _ style: Style = .plain) {
            self.text = text.withoutControlCharacters
            self.style = style
        }
    }

    /// One column: its title and how it gives way when there is too little room.
    public struct Column: Sendable {
        /// Which end of a text that is too long is kept.
        public enum Kept: Sendable {
            /// The beginning, as of a name.
            case start
            /// The end, as of a path.
            case end
        }

        /// The title.
        public var title: String
        /// Whether its texts stand at the right, as numbers do.
        public var isRightAligned: Bool
        /// The width it can be cut down to; `nil` if its texts are never cut.
        public var least: Int?
        /// Which end of a cut text is kept.
        public var kept: Kept
        /// Columns with higher ranks are left out first; `nil` if it always stays.
        public var rank: Int?

        /// A column.
        public init(
            _ title: String, isRightAligned: Bool = false, least: Int? = nil, kept: Kept = .start, rank: Int? = nil
        ) {
            self.title = title
            self.isRightAligned = isRightAligned
            self.least = least
            self.kept = kept
            self.rank = rank
        }
    }

    private static let gap = 2
    private let columns: [Column]
    private let rows: [[Cell]]

    /// A table; columns that are empty in every row are left out.
    ///
    /// - Parameters:
    ///   - columns: The columns, from left to right.
    ///   - rows: The rows, each with a cell for every column.
    public init(columns: [Column], rows: [[Cell]]) {
        let used = columns.indices.filter { index in rows.contains { !$0[index].text.isEmpty } }
        self.columns = used.map { columns[$0] }
        self.rows = rows.map { row in used.map { row[$0] } }
    }

    /// The lines of the table, titles first, without line ends.
    ///
    /// - Parameters:
    ///   - width: The columns there are; `nil`: as many as it takes.
    ///   - isColored: Whether styles are shown.
    /// - Returns: The lines; none if there are no rows.
    public func lines(width: Int?, isColored: Bool) -> [String] {
        guard !rows.isEmpty else { return [] }
        let layout = TableLayout(columns: columns, natural: naturalWidths(), gap: Self.gap).places(within: width)
        let titles = columns.map { Cell($0.title, .dim) }
        return ([titles] + rows).map { line($0, layout, isColored) }
    }

    private func naturalWidths() -> [Int] {
        columns.indices.map { index in
            rows.reduce(DisplayWidth.of(columns[index].title)) { max($0, DisplayWidth.of($1[index].text)) }
        }
    }

    private func line(_ cells: [Cell], _ layout: [TableLayout.Place], _ isColored: Bool) -> String {
        var line = ""
        var owed = 0
        for (position, place) in layout.enumerated() {
            let cell = cells[place.index]
            let column = columns[place.index]
            let text = Self.cut(cell.text, to: place.width, keeping: column.kept)
            let room = place.width - DisplayWidth.of(text)
            owed += (position > 0 ? Self.gap : 0) + (column.isRightAligned ? room : 0)
            if !text.isEmpty {
                // Blanks are owed until something follows them, so that no line ends in one.
                line += String(repeating: " ", count: owed) + Self.styled(text, isColored ? cell.style : .plain)
                owed = 0
            }
            owed += column.isRightAligned ? 0 : room
        }
        return line
    }

    private static func styled(_ text: String, _ style: Style) -> String {
        style == .plain ? text : "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m"
    }

    private static func cut(_ text: String, to width: Int, keeping kept: Column.Kept) -> String {
        guard DisplayWidth.of(text) > width else { return text }
        guard width > 1 else { return width == 1 ? "…" : "" }
        switch kept {
        case .start: return DisplayWidth.prefix(text, fitting: width - 1) + "…"
        case .end: return "…" + DisplayWidth.suffix(text, fitting: width - 1)
        }
    }
}
