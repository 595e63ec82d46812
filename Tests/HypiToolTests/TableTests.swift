import HypiTool
import Testing

@Suite("Table")
struct TableTests {
    private let columns: [Table.Column] = [
        .init("ID", least: 6), .init("NAME", least: 4, rank: 1), .init("COST", isRightAligned: true, rank: 2),
        .init("FOLDER", least: 8, kept: .end),
    ]
    private let rows: [[Table.Cell]] = [
        [.init("app-a1b2c3"), .init("fix the tests"), .init("$1.25"), .init("~/src/app")],
        [.init("web-9"), .init(""), .init("$12.00"), .init("~/src/deep/down/web")],
    ]

    private func lines(_ width: Int?) -> [String] {
        Table(columns: columns, rows: rows).lines(width: width, isColored: false)
    }

    @Test("columns stand under their titles, numbers at the right, no line ends in a blank")
    func natural() {
        #expect(
            lines(nil) == [
                "ID          NAME             COST  FOLDER",
                "app-a1b2c3  fix the tests   $1.25  ~/src/app",
                "web-9                      $12.00  ~/src/deep/down/web",
            ])
    }

    @Test("a narrow terminal first cuts texts, keeping the end of a path, then leaves columns out by rank")
    func narrow() {
        #expect(
            lines(40) == [
                "ID         NAME       COST  FOLDER",
                "app-a1b2…  fix th…   $1.25  ~/src/app",
                "web-9               $12.00  …ep/down/web",
            ])
        #expect(
            lines(25) == [
                "ID       NAME   FOLDER",
                "app-a1…  fix …  ~/src/app",
                "web-9           …down/web",
            ])
        #expect(lines(17).map { $0.count }.max() ?? 0 <= 17)
    }

    @Test("no line is wider than the terminal, whatever its width", arguments: 1...60)
    func neverWider(width: Int) {
        let rows = rows + [[.init("漢字漢字漢字"), .init("👩‍👩‍👧 ok"), .init(""), .init("/ü/日本語/フォルダ")]]
        let lines = Table(columns: columns, rows: rows).lines(width: width, isColored: false)
        for line in lines { #expect(DisplayWidth.of(line) <= width) }
    }

    @Test("wide characters, emoji and combining marks take the columns a terminal gives them")
    func wide() {
        let rows: [[Table.Cell]] = [[.init("日本"), .init("x")], [.init("e\u{301}te\u{301}"), .init("x")]]
        let lines = Table(columns: [.init("A"), .init("B")], rows: rows).lines(width: nil, isColored: false)
        #expect(lines == ["A     B", "日本  x", "e\u{301}te\u{301}   x"])
        #expect(DisplayWidth.of("👩‍👩‍👧") == 2)
        #expect(DisplayWidth.of("❤️") == 2)
        #expect(DisplayWidth.of("한글") == 4)
        #expect(DisplayWidth.of("naïve") == 5)
    }

    @Test("a column that is empty in every row is left out, and no rows are no lines")
    func empty() {
        let lines = Table(columns: columns, rows: [[.init("a"), .init(""), .init(""), .init("/x")]])
            .lines(width: 80, isColored: false)
        #expect(lines == ["ID  FOLDER", "a   /x"])
        #expect(Table(columns: columns, rows: []).lines(width: 80, isColored: false).isEmpty)
    }

    @Test("colours stand around the text alone, and a peer's escapes are gone")
    func colors() {
        let table = Table(columns: [.init("A"), .init("B")], rows: [[.init("on\u{1B}[2J", .green), .init("x")]])
        #expect(table.lines(width: 80, isColored: true)[1] == "\u{1B}[32mon\u{1B}[0m  x")
    }
}
