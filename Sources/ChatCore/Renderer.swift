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
    private var tailCount = 0
    /// The newest finished lines, to draw the screen anew with.
    private var recent: [ScreenLine] = []
    /// The width that the rows on the screen were made for.
    private var drawnWidth = 80

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
        if tailCount > 0 { editor.write("\u{1B}[\(tailCount)A") }
        editor.write("\r\u{1B}[J")
        for line in lines { write(line, editor) }
        put(live, tail, editor)
    }

    /// The line being typed was drawn again, lower.
    mutating func moved(down rows: Int) {
        tailCount += rows
    }

    /// Draws the whole screen anew: after a change of size nobody knows where rows have gone.
    ///
    /// Everything that can be on the screen is drawn again, since what is overwritten does not reach the scrollback.
    mutating func redraw(_ lines: [ScreenLine], live: ScreenLine?, tail: [String], _ editor: LineEditor) {
        let below = tail.count + editor.rowCount(width: columns) + (live?.height(width: columns) ?? 0)
        for line in lines { remember(line) }
        let shown = newest(filling: max(1, rows - below))
        editor.write(Self.beginUpdate)
        // Above a short conversation stands what was there before; it goes up and stays.
        if shown.isAll { editor.write("\u{1B}[\(rows)H" + String(repeating: "\n", count: rows)) }
        // Row by row: terminals put a screen that is cleared at once into the scrollback.
        editor.write((1...max(1, rows)).map { "\u{1B}[\($0)H\u{1B}[K" }.joined() + "\u{1B}[H")
        for row in shown.rows { editor.write(row + "\u{1B}[m\r\n") }
        tailCount = 0
        put(live, tail, editor)
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

    /// Rows of the newest lines, enough to fill so much of the screen, and whether nothing came before them.
    private func newest(filling room: Int) -> (rows: [String], isAll: Bool) {
        var start = recent.count
        // How the terminal has broken the rows that were made for the old width.
        var onScreen = 0
        while start > 0, onScreen < room {
            start -= 1
            onScreen += recent[start].height(made: drawnWidth, shown: columns)
        }
        var rows = rows(of: recent[start...])
        while start > 0, rows.count < room {
            start -= 1
            rows = self.rows(of: recent[start...])
        }
        return (rows, start == 0)
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
        let drawn = growing.suffix(max(0, room - below.count)) + below
        for row in drawn { editor.write(row + "\u{1B}[m\r\n") }
        tailCount = drawn.count
        drawnWidth = columns
        editor.show()
        editor.write(Self.endUpdate)
        editor.flush()
    }

    private static let beginUpdate = "\u{1B}[?2026h"
    private static let endUpdate = "\u{1B}[?2026l"
}
