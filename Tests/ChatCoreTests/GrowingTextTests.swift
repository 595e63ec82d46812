import Testing

@testable import ChatCore

@Suite("Text as it streams")
struct GrowingTextTests {
    private let text = """
        # A heading that is rather long for a narrow screen
        Prose with **words in bold that go over the end of a row** and `code` and 漢字かな交じり文 🙂, also **open.
        - an item of a list whose rows after the first stand below its text
        ```swift
        let line = "of code that is wider than the screen and stays one line for whoever copies it"
        ```

        | a table | is left | to the terminal, however wide it is |
        averyveryverylongwordthatisbrokenwheretherowends and  two  blanks
        """

    /// The rows on a screen when the text comes in pieces of `size` characters, with a frame behind each.
    private func rows(_ text: String, size: Int, width: Int, isColoured: Bool = true) -> [String] {
        var growing = GrowingText(Style(isColoured: isColoured))
        var rows: [String] = []
        var rest = text[...]
        while !rest.isEmpty {
            for line in growing.append(String(rest.prefix(size))) { rows += line.rows(width: width) }
            for line in growing.takeRows(width: width) { rows += line.rows(width: width) }
            rest = rest.dropFirst(size)
        }
        for line in growing.endText() { rows += line.rows(width: width) }
        return rows
    }

    private func plain(_ row: String) -> String {
        row.replacing(/\u{1B}\[[0-9]*m/, with: "")
    }

    @Test("rows are the same in however small pieces the text came", arguments: [8, 20, 41, 80])
    func pieces(width: Int) {
        let whole = rows(text, size: .max, width: width).map(plain)
        for size in [1, 2, 3, 7, 30, 64] {
            #expect(rows(text, size: size, width: width).map(plain) == whole, "in pieces of \(size)")
        }
    }

    @Test("prose never leaves its row, code and tables are never broken", arguments: [8, 20, 41, 80])
    func widths(width: Int) {
        for row in rows(text, size: 1, width: width).map(plain) where !row.contains("code that") && !row.hasPrefix("|")
        {
            #expect(TextWidth.cells(row) <= width, "\(row)")
        }
        let code = "let line = \"of code that is wider than the screen and stays one line for whoever copies it\""
        #expect(rows(text, size: 1, width: width).map(plain).contains(code))
    }

    @Test("no character is lost or doubled, whatever the width", arguments: [8, 20, 41, 80])
    func characters(width: Int) {
        let shown = rows(text, size: 1, width: width, isColoured: false).joined(separator: " ")
        #expect(shown.filter { $0 != " " } == text.filter { $0 != " " && $0 != "\n" })
    }

    @Test("rows leave as soon as the next word is known, and bold goes over their end")
    func early() {
        var growing = GrowingText(Style(isColoured: true))
        _ = growing.append("one two three fo")
        #expect(growing.takeRows(width: 10).map(\.text) == ["one two"])
        #expect(growing.live.first?.text == "three fo")
        #expect(growing.live.first?.gap == " ")
        _ = growing.append("ur **five")
        #expect(growing.takeRows(width: 10).isEmpty)
        _ = growing.append(" six** seven")
        #expect(growing.takeRows(width: 10).map(\.text) == ["three four", "\u{1B}[1mfive six\u{1B}[22m"])
    }

    @Test("a mark that is never closed does not hold the text up for ever")
    func openMark() {
        var growing = GrowingText(Style(isColoured: true))
        _ = growing.append("**" + String(repeating: "word ", count: 40))
        #expect(growing.takeRows(width: 10).count > 10)
    }

    @Test("attributes end with a row and go on with the next")
    func attributes() {
        let rows = WordWrap.rows("\u{1B}[1mab cd\u{1B}[22m ef", width: 4, hang: 0, isContinued: false)
        #expect(rows.map(\.text) == ["\u{1B}[1mab\u{1B}[m", "\u{1B}[1mcd\u{1B}[22m", "ef"])
    }

    @Test("indentation stays, also before a word that is too long")
    func indentation() {
        let rows = WordWrap.rows("    abcdefgh ij", width: 8, hang: 2, isContinued: false)
        #expect(rows.map(\.text) == ["    abcd", "efgh", "ij"])
    }
}
