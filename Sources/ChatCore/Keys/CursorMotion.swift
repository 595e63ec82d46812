/// Where the cursor goes in a text of several rows.
enum CursorMotion {
    /// The place one row up or down, in the same column or at the row's end.
    ///
    /// - Parameters:
    ///   - direction: -1 is up, 1 is down.
    ///   - text: What is being typed.
    ///   - offset: The cursor, in UTF-8 bytes.
    ///   - promptCells: Cells before the first row's text.
    ///   - width: Cells of a row.
    /// - Returns: The new place in UTF-8 bytes; `nil` where there is no such row.
    static func vertical(_ direction: Int, in text: String, from offset: Int, promptCells: Int, width: Int) -> Int? {
        var places: [(offset: Int, row: Int, column: Int)] = []
        var (here, row, column) = (0, 0, promptCells)
        for scalar in text.unicodeScalars {
            let cells = scalar == "\n" ? 0 : TextWidth.cells(scalar)
            if column + cells > width {
                row += 1
                column = 0
            }
            // A combining mark belongs to what stands before it.
            if cells > 0 || scalar == "\n" { places.append((here, row, column)) }
            here += scalar.utf8.count
            column += cells
            if scalar == "\n" {
                row += 1
                column = 0
            }
        }
        places.append((here, row, column))
        guard let current = places.last(where: { $0.offset <= offset }) else { return nil }
        let wanted = places.filter { $0.row == current.row + direction }
        return (wanted.last { $0.column <= current.column } ?? wanted.first)?.offset
    }
}
