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
    private var recent: [String] = []

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
    mutating func draw(_ lines: [String], live: String?, tail: [String], _ editor: LineEditor) {
        editor.write(Self.beginUpdate)
        editor.hide()
        if tailCount > 0 { editor.write("\u{1B}[\(tailCount)A") }
        editor.write("\r\u{1B}[J")
        put(lines, live, tail, editor)
    }

    /// The line being typed was drawn again, lower.
    mutating func moved(down rows: Int) {
        tailCount += rows
    }

    /// Draws the whole screen anew: after a change of size nobody knows where rows have gone.
    mutating func repaint(live: String?, tail: [String], _ editor: LineEditor) {
        editor.write(Self.beginUpdate + "\u{1B}[H\u{1B}[2J")
        var room = rows - tail.count - editor.rowCount(width: columns)
        if let live { room -= TextWidth.rows(live, width: columns).count }
        var shown: [String] = []
        for line in recent.reversed() {
            room -= TextWidth.rows(line, width: columns).count
            if room < 0 { break }
            shown.append(line)
        }
        for line in shown.reversed() { editor.write(line + "\r\n") }
        put([], live, tail, editor)
    }

    private mutating func put(_ lines: [String], _ live: String?, _ tail: [String], _ editor: LineEditor) {
        for line in lines { editor.write(line + "\u{1B}[K\r\n") }
        recent = (recent + lines).suffix(Self.recentLimit)
        // The tail and the line must fit the screen, or the way back up would be wrong: what grows beyond is cut above.
        let room = max(1, rows - editor.rowCount(width: columns) - 1)
        let below = tail.suffix(max(0, room - 1))
        let growing = live.map { TextWidth.rows($0, width: columns) } ?? []
        let drawn = growing.suffix(max(0, room - below.count)) + below
        for row in drawn { editor.write(row + "\u{1B}[m\r\n") }
        tailCount = drawn.count
        editor.show()
        editor.write(Self.endUpdate)
        editor.flush()
    }

    private static let beginUpdate = "\u{1B}[?2026h"
    private static let endUpdate = "\u{1B}[?2026l"
}
