import HypiWire
import Testing

@testable import ChatCore

@Suite("Output of tools on a terminal")
struct ToolOutputTests {
    private let style = Style(isColoured: true)

    private func lines(_ text: String, limit: Int? = 5, width: Int = 40) -> [String] {
        ToolLine.Output.text(text).lines(limit: limit, width: width, style)
    }

    @Test("whole escape sequences go, colours stay and end with their row, also over lines")
    func colours() {
        #expect(lines("\u{1B}[32mok\u{1B}[0m\n") == ["  \u{1B}[32mok\u{1B}[0m"])
        #expect(lines("a\u{1B}[2Jb\u{1B}]52;c;eA==\u{7}c") == ["  \u{1B}[2mabc\u{1B}[22m"])
        #expect(
            lines("\u{1B}[1;31mone\ntwo\u{1B}[m\nthree") == [
                "  \u{1B}[1;31mone\u{1B}[m", "  \u{1B}[1;31mtwo\u{1B}[m", "  \u{1B}[2mthree\u{1B}[22m",
            ])
    }

    @Test("a progress bar is shown as it ended, and DOS line ends are line ends")
    func carriageReturns() {
        let plain = Style(isColoured: false)
        let output = ToolLine.Output.text("10%\r50%\r100%\r\nnext\r\n\r\n")
        #expect(output.lines(limit: nil, width: 40, plain) == ["  100%", "  next"])
    }

    @Test("output is folded by rows, and a line that takes many of them is cut")
    func folded() {
        let plain = Style(isColoured: false)
        let long = String(repeating: "x", count: 400)
        let output = ToolLine.Output.text(long + "\n" + (1...9).map(String.init).joined(separator: "\n"))
        let rows = output.lines(limit: 5, width: 40, plain)
        #expect(rows[0] == "  " + String(repeating: "x", count: 3 * 38) + "…")
        #expect(rows.dropFirst() == ["  1", "  2", "  … 7 more lines (/expand)"])
        #expect(output.lines(limit: nil, width: 40, plain).first == "  " + long)
        #expect(ToolLine.Output.text(long).lines(limit: 5, width: 40, plain).last == "  … cut (/expand)")
        // A remark takes a row, so one line more is shown instead.
        let six = ToolLine.Output.text((1...6).map(String.init).joined(separator: "\n"))
        #expect(six.lines(limit: 5, width: 40, plain).count == 6)
    }

    @Test("an edit is a diff, also where its result has none, and a failed one is not")
    func diffs() {
        let plain = Style(isColoured: false)
        let edit = ToolLine(name: "edit", arguments: ["path": "a", "oldText": "x\ny", "newText": "z"])
        #expect(edit.output(["content": "done"]).lines(limit: 9, width: 40, plain) == ["  -x", "  -y", "  +z"])
        let write = ToolLine(name: "write", arguments: ["path": "a", "content": "one\ntwo\n"])
        #expect(write.output([:]).lines(limit: 9, width: 40, plain) == ["  +one", "  +two"])
        #expect(
            write.output(["content": "no such folder", "isError": true]).lines(limit: 9, width: 40, plain)
                == ["  no such folder"])
    }

    @Test("the footer says what is known, whatever numbers a peer sends")
    func footer() {
        var footer = Footer(model: "a/b", cost: 1.239, contextPercent: 12.9, others: 1)
        #expect(footer.text(queued: 2) == "a/b · $1.24 · 12% of context · 2 queued · 1 other watching")
        footer = Footer(model: "a/b", cost: 1e300, contextPercent: .infinity, others: 0)
        #expect(footer.text(queued: 0) == "a/b")
        footer = Footer(model: nil, cost: .nan, contextPercent: -1, others: 0)
        #expect(footer.text(queued: 0) == nil)
    }

    @Test("attributes and links are opened again on the next row")
    func attributes() {
        let text = "\u{1B}]8;;https://a.b\u{1B}\\\u{1B}[4mab cd\u{1B}[24m\u{1B}]8;;\u{1B}\\ ef"
        let rows = WordWrap.rows(text, width: 4, hang: 0, isContinued: false).map(\.text)
        #expect(rows[0] == "\u{1B}]8;;https://a.b\u{1B}\\\u{1B}[4mab\u{1B}[m\u{1B}]8;;\u{1B}\\")
        #expect(rows[1].hasPrefix("\u{1B}]8;;https://a.b\u{1B}\\\u{1B}[4mcd"))
        #expect(TextWidth.shownCells(text) == 8)
    }
}
