import CPlatform

/// Puts frames on the screen: what is finished scrolls up, the tail above the line being typed is drawn anew each time.
///
/// ```
/// finished lines (the terminal's own scrollback)
/// the paragraph that grows      \
/// running tools, status, dialog  > the tail: rows we know, taken off and drawn again
/// > the line being typed        /
/// ```
struct Renderer {
    private let terminal: CInt
    private(set) var rows = 24
    private(set) var columns = 80
    /// Rows of the tail that are on the screen.
    private var drawn: [String] = []
    /// The newest finished lines and the rows that were written of each, to wrap them again for another width.
    private var recent: [(line: ScreenLine, rows: [String])] = []

    /// Finished lines that are remembered; older ones have left the screen.
    private static let recentLimit = 300

    init(terminal: CInt) {
        self.terminal = terminal
        measure()
    }

    /// Asks the terminal for its size.
    mutating func measure() {
        var (rows, columns) = (CInt(0), CInt(0))
        guard hypi_terminal_size(terminal, &rows, &columns) == 0 else { return }
        (self.rows, self.columns) = (Int(rows), Int(columns))
    }

    /// Draws a frame.
    ///
    /// - Parameters:
    ///   - lines: Lines that are finished.
    ///   - live: The line that grows.
    ///   - tail: Rows below it; each is cut to the width beforehand.
    ///   - editor: The line being typed.
    mutating func draw(_ lines: [ScreenLine], live: [ScreenLine], tail: [String], _ editor: LineEditor) {
        editor.write(Self.beginUpdate)
        editor.hide()
        if !drawn.isEmpty { editor.write("\u{1B}[\(drawn.count)A") }
        editor.write("\r\u{1B}[J")
        for line in lines { write(line, editor) }
        put(live, tail, editor)
    }

    /// The line being typed was drawn again, lower.
    mutating func moved(down rows: Int) {
        drawn += Array(repeating: "", count: rows)
    }

    /// The window has another size: takes the tail and the line off, wherever the terminal has moved them.
    ///
    /// The terminal breaks what is finished by itself, in the middle of words; ``reflow(_:_:)`` makes it good. Nearly all
    /// terminals do; one that cuts rows off instead loses as many of them as the tail would have needed.
    mutating func resize(_ editor: LineEditor) {
        measure()
        let height = drawn.reduce(0) { $0 + TextWidth.height($1, width: columns) }
        let above = height + editor.cursorRow(width: columns)
        editor.write(Self.beginUpdate + (above > 0 ? "\u{1B}[\(above)A" : "") + "\r\u{1B}[J" + Self.endUpdate)
        editor.setSize(rows: rows, columns: columns)
        editor.beginAnew()
        drawn = []
    }

    /// Takes the tail and the line off and asks the terminal in which row that leaves the cursor.
    mutating func askForCursor(_ editor: LineEditor) {
        editor.hide()
        editor.write((drawn.isEmpty ? "" : "\u{1B}[\(drawn.count)A") + "\r\u{1B}[J\u{1B}[6n")
        editor.beginAnew()
        drawn = []
        editor.flush()
    }

    /// Wraps the lines on the screen again for its width.
    ///
    /// - Parameters:
    ///   - row: Where the tail begins, from 1, as the terminal says. Only lines that are whole above it are ours to
    ///     touch: the others belong to the scrollback, or were there before us.
    ///   - editor: The line being typed.
    mutating func reflow(_ row: Int, _ editor: LineEditor) {
        // The answer is worth nothing if the size has changed again.
        let (oldRows, oldColumns) = (rows, columns)
        measure()
        guard (rows, columns) == (oldRows, oldColumns) else { return }
        var (start, height) = (recent.count, 0)
        while start > 0 {
            let rows = recent[start - 1].rows.reduce(0) { $0 + TextWidth.height($1, width: columns) }
            guard height + rows < row else { break }
            height += rows
            start -= 1
        }
        // A piece of a line whose beginning is out of reach stays as it is.
        while start < recent.count, recent[start].line.gap != nil {
            height -= recent[start].rows.reduce(0) { $0 + TextWidth.height($1, width: columns) }
            start += 1
        }
        let lines = joined(recent[start...].map(\.line))
        guard lines.flatMap({ $0.rows(width: columns) }) != recent[start...].flatMap(\.rows) else { return }
        editor.write(Self.beginUpdate)
        editor.hide()
        editor.write((height > 0 ? "\u{1B}[\(height)A" : "") + "\r\u{1B}[J")
        recent.removeLast(recent.count - start)
        for line in lines { write(line, editor) }
        editor.beginAnew()
        editor.write(Self.endUpdate)
    }

    /// Another program is about to use the screen: takes the tail and the line off, to draw them where that leaves the cursor.
    mutating func takeOff(_ editor: LineEditor) {
        editor.hide()
        editor.write((drawn.isEmpty ? "" : "\u{1B}[\(drawn.count)A") + "\r\u{1B}[J")
        editor.beginAnew()
        drawn = []
        recent = []
    }

    /// Clears the screen; what was there goes up into the scrollback.
    mutating func clear(_ editor: LineEditor) {
        editor.write("\u{1B}[\(rows)H" + String(repeating: "\n", count: rows) + "\u{1B}[H")
        editor.beginAnew()
        drawn = []
        recent = []
    }

    /// Writes a finished line, which then belongs to the terminal.
    private mutating func write(_ line: ScreenLine, _ editor: LineEditor) {
        let rows = line.rows(width: columns)
        for row in rows { editor.write(row + "\u{1B}[m\r\n") }
        recent.append((line, rows))
        if recent.count > 2 * Self.recentLimit { recent.removeFirst(recent.count - Self.recentLimit) }
    }

    /// Lines whose pieces are put together again.
    private func joined(_ pieces: [ScreenLine]) -> [ScreenLine] {
        var lines: [ScreenLine] = []
        for piece in pieces {
            if let gap = piece.gap, !lines.isEmpty {
                lines[lines.count - 1].text += gap + piece.text
            } else {
                lines.append(piece)
            }
        }
        return lines
    }

    private mutating func put(_ live: [ScreenLine], _ tail: [String], _ editor: LineEditor) {
        // The tail and the line must fit the screen, or the way back up would be wrong: what grows beyond is cut above.
        let room = max(1, rows - editor.rowCount(width: columns) - 1)
        let below = tail.suffix(max(0, room - 1))
        let growing = live.flatMap { $0.rows(width: columns) }.flatMap { TextWidth.rows($0, width: columns) }
        drawn = growing.suffix(max(0, room - below.count)) + below
        for row in drawn { editor.write(row + "\u{1B}[m\r\n") }
        editor.show()
        editor.write(Self.endUpdate)
        editor.flush()
    }

    private static let beginUpdate = "\u{1B}[?2026h"
    private static let endUpdate = "\u{1B}[?2026l"
}
