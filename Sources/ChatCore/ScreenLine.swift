/// A line of the conversation, dressed, or the next piece of one that still grows.
struct ScreenLine: Sendable, Equatable {
    /// How a line that is wider than the screen is shown.
    enum Wrapping: Sendable, Equatable {
        /// Broken between words; rows after the first are indented by so many cells.
        case words(hang: Int)
        /// Left to the terminal, which joins the rows again when they are copied: code, output, tables.
        case none
        /// Cut where the row ends.
        case cut
        /// Laid out again for each width.
        case table(MarkdownTable)
    }

    /// What it says, with escape sequences of ours and no other control characters.
    var text: String
    /// How it is broken into rows.
    var wrapping = Wrapping.words(hang: 0)
    /// What stood between the line's rows so far, which are on the screen, and this piece; `nil` for a line's beginning.
    var gap: String?

    /// What is written to a terminal of this width, row by row; a row that is left to the terminal may be wider.
    func rows(width: Int) -> [String] {
        let hang: Int
        switch wrapping {
        case .none: return [text]
        case .cut: return Array(TextWidth.rows(text, width: width).prefix(1))
        case .table(let table): return table.rows(width: width)
        case .words(let cells): hang = cells
        }
        let indent = String(repeating: " ", count: min(hang, width / 3))
        let isContinued = gap != nil
        return WordWrap.rows(text, width: width, hang: indent.count, isContinued: isContinued).enumerated().map {
            $0.offset > 0 || isContinued ? indent + $0.element.text : $0.element.text
        }
    }

    /// Rows that the terminal needs for it.
    func height(width: Int) -> Int {
        rows(width: width).reduce(0) { $0 + TextWidth.height($1, width: width) }
    }
}

/// Breaks dressed text between words; what one row leaves open in attributes is opened again on the next.
enum WordWrap {
    /// A row, and the blanks behind it that the break has swallowed.
    struct Row: Equatable {
        var text: String
        var gap: String
    }

    /// The rows of a text.
    ///
    /// - Parameters:
    ///   - text: One line, dressed with ``Style``.
    ///   - width: Cells of a row.
    ///   - hang: Cells that rows after the first have less.
    ///   - isContinued: Whether the first row is such a row, too.
    /// - Returns: At least one row.
    static func rows(_ text: String, width: Int, hang: Int, isContinued: Bool) -> [Row] {
        var breaker = Breaker(width: max(1, isContinued ? width - hang : width), later: max(1, width - hang))
        var iterator = text.unicodeScalars.makeIterator()
        while let scalar = iterator.next() {
            guard scalar == "\u{1B}" else {
                breaker.take(scalar)
                continue
            }
            let sequence = String.UnicodeScalarView([scalar] + Array(EscapeSequence.rest(&iterator)))
            breaker.take(escape: String(sequence))
        }
        return breaker.finish()
    }

    private struct Breaker {
        private var rows: [Row] = []
        private var row = String.UnicodeScalarView()
        private var rowCells = 0
        private var hasWord = false
        private var previous: Unicode.Scalar = " "
        /// Blanks between the row and the word, and the word that may still move to the next row.
        private var blanks = ""
        private var word = String.UnicodeScalarView()
        private var wordCells = 0
        private var attributes = TextAttributes()
        /// Attributes where the word begins.
        private var before = TextAttributes()
        private var width: Int
        private let later: Int

        init(width: Int, later: Int) {
            self.width = width
            self.later = later
        }

        mutating func take(escape: String) {
            if word.isEmpty { before = attributes }
            word.append(contentsOf: escape.unicodeScalars)
            attributes.apply(escape)
        }

        mutating func take(_ scalar: Unicode.Scalar) {
            defer { previous = scalar }
            if scalar == " " { return takeBlank() }
            let cells = TextWidth.cells(scalar)
            // A word that is wider than a row is broken where the row ends; between wide characters a row may end, too.
            let isJoined = cells == 0 || previous == "\u{200D}"
            if !isJoined, wordCells + cells > (hasWord ? width : width - rowCells) || (cells == 2 && wordCells > 0) {
                endWord()
            }
            if word.isEmpty { before = attributes }
            if rowCells + blanks.count + wordCells + cells > width, hasWord { endRow() }
            word.append(scalar)
            wordCells += cells
        }

        private mutating func takeBlank() {
            endWord()
            guard !hasWord, rowCells + 1 < width, rows.isEmpty else { return blanks.append(" ") }
            // The indentation of a line stays.
            row.append(" ")
            rowCells += 1
        }

        private mutating func endWord() {
            guard !word.isEmpty else { return }
            row.append(contentsOf: blanks.unicodeScalars)
            row.append(contentsOf: word)
            rowCells += blanks.count + wordCells
            hasWord = true
            blanks = ""
            word = .init()
            wordCells = 0
            before = attributes
        }

        private mutating func endRow() {
            rows.append(Row(text: String(row) + before.closing, gap: blanks))
            width = later
            row = String.UnicodeScalarView(before.opening.unicodeScalars)
            rowCells = 0
            hasWord = false
            blanks = ""
        }

        mutating func finish() -> [Row] {
            endWord()
            return rows + [Row(text: String(row) + attributes.closing, gap: blanks)]
        }
    }
}
