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
    /// The newest finished lines, to draw the screen anew with.
    private var recent: [ScreenLine] = []

    /// Finished lines that are remembered for a new screen; older ones are in the terminal's scrollback.
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
    mutating func draw(_ lines: [ScreenLine], live: ScreenLine?, tail: [String], _ editor: LineEditor) {
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
    /// What is finished stays as the terminal breaks it anew, and nothing of it is lost. Nearly all terminals do; one that
    /// cuts rows off instead loses as many of them as the tail would have needed.
    mutating func resize(_ editor: LineEditor) {
        measure()
        let height = drawn.reduce(0) { $0 + TextWidth.height($1, width: columns) }
        let above = height + editor.cursorRow(width: columns)
        editor.write(Self.beginUpdate + (above > 0 ? "\u{1B}[\(above)A" : "") + "\r\u{1B}[J" + Self.endUpdate)
        editor.setSize(rows: rows, columns: columns)
        editor.beginAnew()
        drawn = []
    }

    /// Another program has used the screen: the tail is drawn where the cursor is.
    mutating func beginAnew() {
        drawn = []
    }

    /// Clears the screen and shows the newest lines again; what was there goes up into the scrollback.
    mutating func redraw(below tail: Int, _ editor: LineEditor) {
        editor.write("\u{1B}[\(rows)H" + String(repeating: "\n", count: rows) + "\u{1B}[H")
        let shown = newest(filling: rows - tail - editor.rowCount(width: columns))
        for row in shown { editor.write(row + "\u{1B}[m\r\n") }
        editor.beginAnew()
        drawn = []
    }

    /// Writes a finished line, which then belongs to the terminal.
    private mutating func write(_ line: ScreenLine, _ editor: LineEditor) {
        for row in line.rows(width: columns) { editor.write(row + "\u{1B}[m\r\n") }
        remember(line)
    }

    private mutating func remember(_ line: ScreenLine) {
        recent.append(line)
        if recent.count > 2 * Self.recentLimit { recent.removeFirst(recent.count - Self.recentLimit) }
    }

    /// Rows of the newest lines, so many as fill a part of the screen.
    private func newest(filling room: Int) -> [String] {
        var start = recent.count
        var rows: [String] = []
        while start > 0, rows.count < room {
            start -= 1
            rows = self.rows(of: recent[start...]).flatMap { TextWidth.rows($0, width: columns) }
        }
        return rows.suffix(max(0, room))
    }

    /// Lines broken for the width of now; pieces of one line are joined again.
    private func rows(of pieces: ArraySlice<ScreenLine>) -> [String] {
        var lines: [ScreenLine] = []
        for piece in pieces {
            if let gap = piece.gap, !lines.isEmpty {
                lines[lines.count - 1].text += gap + piece.text
            } else {
                lines.append(piece)
            }
        }
        return lines.flatMap { $0.rows(width: columns) }
    }

    private mutating func put(_ live: ScreenLine?, _ tail: [String], _ editor: LineEditor) {
        // The tail and the line must fit the screen, or the way back up would be wrong: what grows beyond is cut above.
        let room = max(1, rows - editor.rowCount(width: columns) - 1)
        let below = tail.suffix(max(0, room - 1))
        let growing = (live?.rows(width: columns) ?? []).flatMap { TextWidth.rows($0, width: columns) }
        drawn = growing.suffix(max(0, room - below.count)) + below
        for row in drawn { editor.write(row + "\u{1B}[m\r\n") }
        editor.show()
        editor.write(Self.endUpdate)
        editor.flush()
    }

    private static let beginUpdate = "\u{1B}[?2026h"
    private static let endUpdate = "\u{1B}[?2026l"
}
