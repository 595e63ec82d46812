import CPlatform

/// How many cells and rows text takes on a terminal.
enum TextWidth {
    /// Cells of a scalar; what cannot be shown takes none.
    static func cells(_ scalar: Unicode.Scalar) -> Int {
        scalar.value < 0x7F ? (scalar.value < 0x20 ? 0 : 1) : max(0, Int(hypi_character_width(scalar.value)))
    }

    /// Cells of a text without escape sequences.
    static func cells(_ text: some StringProtocol) -> Int {
        text.unicodeScalars.reduce(0) { $0 + cells($1) }
    }

    /// Cells of a dressed text.
    static func shownCells(_ text: String) -> Int {
        guard text.utf8.contains(0x1B) else { return cells(text) }
        var count = 0
        var iterator = text.unicodeScalars.makeIterator()
        while let scalar = iterator.next() {
            if scalar == "\u{1B}" { _ = EscapeSequence.rest(&iterator) } else { count += cells(scalar) }
        }
        return count
    }

    /// Rows that a terminal needs for a row that it wraps itself.
    static func height(_ row: String, width: Int) -> Int {
        // A byte never takes more than one cell, so most rows are not looked at.
        row.utf8.count <= width ? 1 : rows(row, width: width).count
    }

    /// The text cut into pieces that each fit a row, as a terminal wraps it: a wide character never spans two rows.
    ///
    /// Escape sequences take no cells.
    static func rows(_ text: String, width: Int) -> [String] {
        var rows: [String] = []
        var row = String.UnicodeScalarView()
        var column = 0
        var iterator = text.unicodeScalars.makeIterator()
        while let scalar = iterator.next() {
            if scalar == "\u{1B}" {
                row.append(scalar)
                row.append(contentsOf: EscapeSequence.rest(&iterator))
                continue
            }
            let cells = cells(scalar)
            if column + cells > width, column > 0 {
                rows.append(String(row))
                row = .init()
                column = 0
            }
            row.append(scalar)
            column += cells
        }
        return rows + [String(row)]
    }

    /// The text cut to fit one row, with an ellipsis where something was cut; no escape sequences in it.
    static func cut(_ text: String, to width: Int) -> String {
        guard cells(text) > width else { return text }
        guard width > 1 else { return String(text.prefix(max(0, width))) }
        var result = String.UnicodeScalarView()
        var column = 0
        for scalar in text.unicodeScalars {
            let cells = cells(scalar)
            if column + cells > width - 1 { break }
            result.append(scalar)
            column += cells
        }
        return String(result) + "…"
    }
}
