import Testing

@testable import ChatCore

@Suite("Markdown on a terminal")
struct MarkdownTests {
    private let style = Style(isColoured: true)

    /// Sequences in words that can be read: `<1>` for ESC [ 1 m.
    private func shown(_ text: String) -> String {
        text.replacing("\u{1B}]8;;\u{1B}\\", with: "</a>")
            .replacing(/\u{1B}\]8;;([^\u{1B}]*)\u{1B}\\/) { "<a \($0.1)>" }
            .replacing(/\u{1B}\[([0-9;]*)m/) { "<\($0.1)>" }
    }

    private func inline(_ text: String, hasLinks: Bool = false) -> String {
        let style = Style(isColoured: true, hasLinks: hasLinks)
        return shown(InlineMarkdown(style: style).dress(text[...]).dressed)
    }

    private func lines(_ text: String, width: Int = 60) -> [String] {
        var growing = GrowingText(style)
        return (growing.append(text) + growing.endText()).flatMap { $0.rows(width: width) }.map(shown)
    }

    @Test(
        "emphasis, code and strikes are dressed, and what only looks like them is not",
        arguments: [
            ("a *b* c", "a <3>b<23> c"), ("a **b *c* d**", "a <1>b <3>c<23> d<22>"), ("_b_ a_b_c", "<3>b<23> a_b_c"),
            ("__b__", "<1>b<22>"), ("~~b~~ ~c~", "<9>b<29> ~c~"), ("2 * 3 * 4", "2 * 3 * 4"), ("**open", "**open"),
            ("`a *b* c`", "<36>a *b* c<39>"), ("``a ` b``", "<36>a ` b<39>"), ("*a `*` b*", "<3>a <36>*<39> b<23>"),
            (#"\*a\* \d"#, #"*a* \d"#), ("snake_case_name", "snake_case_name"), ("***", "***"),
            ("a [b] c", "a [b] c"), ("array[0](x)", "array<4>0<24><2> (x)<22>"),
        ])
    func emphasis(text: String, expected: String) {
        #expect(inline(text) == expected)
    }

    @Test("a link is one where the terminal knows links, and shows its target elsewhere")
    func links() {
        #expect(inline("see [it](https://a.b/c).", hasLinks: true) == "see <a https://a.b/c><4>it<24></a>.")
        #expect(inline("see [it](https://a.b/c).") == "see <4>it<24><2> (https://a.b/c)<22>.")
        #expect(
            inline("(https://a.b/x_y_z).", hasLinks: true)
                == "(<a https://a.b/x_y_z><4>https://a.b/x_y_z<24></a>).")
        #expect(inline("<https://a.b>") == "<4>https://a.b<24>")
        // Only web addresses become links, and nothing in one can end the sequence.
        #expect(!inline("[x](file:///etc/passwd)", hasLinks: true).contains("<a "))
        #expect(!inline("[x](javascript:alert)", hasLinks: true).contains("<a "))
        #expect(!inline("[x](https://a/\u{7}\u{1B}\\b)", hasLinks: true).contains("<a "))
    }

    @Test("a table has aligned columns, and one that is too wide has rows in its cells")
    func tables() {
        let table = "| Name | N |\n|---|--:|\n| a | 1 |\n| **long** `x|y` | 22 |\nafter"
        #expect(
            lines(table) == [
                "<1>Name<22>    <2> │ <22> <1>N<22>", "<2>─────────┼───<22>", "a       <2> │ <22> 1",
                "<1>long<22> <36>x|y<39><2> │ <22>22", "after",
            ])
        let wide = "| a | b |\n|---|---|\n| one two three four | five six seven eight |"
        let rows = lines(wide, width: 20)
        #expect(rows.count > 4)
        #expect(rows.allSatisfy { TextWidth.cells($0.replacing(/<[0-9]*>/, with: "")) <= 20 })
        #expect(lines("| no table\n| at all") == ["| no table", "| at all"])
    }

    @Test("lists, quotes, rules and headings")
    func blocks() {
        #expect(lines("- a\n  * b\n- [x] c\n1. d") == ["<36>• <39>a", "  <36>• <39>b", "<36>☑ <39>c", "1. d"])
        #expect(lines("> a *b*") == ["<2>│ <22>a <3>b<23>"])
        #expect(lines("---").first?.hasPrefix("<2>──") == true)
        #expect(lines("## Head") == ["<1>## Head<22>"])
    }

    @Test("code is coloured by its language, over lines where a comment or a string goes over them")
    func code() {
        var swift = CodeHighlighter("swift", style)
        #expect(shown(swift.dress(#"let a = "b // c" // d"#)) == "<35>let<39> a = <32>\"b // c\"<39> <2>// d<22>")
        #expect(shown(swift.dress("/* open")) == "<2>/*<22><2> open<22>")
        #expect(shown(swift.dress("let */ 12")) == "<2>let */<22> <33>12<39>")
        var python = CodeHighlighter("python", style)
        #expect(shown(python.dress("def f(): # x")) == "<35>def<39> f(): <2># x<22>")
        #expect(shown(python.dress("it's")) == "it's")
        var unknown = CodeHighlighter("brainf", style)
        #expect(shown(unknown.dress("+-")) == "<36>+-<39>")
        var diff = CodeHighlighter("diff", style)
        #expect(shown(diff.dress("+a")) == "<32>+a<39>")
    }

    @Test("without colours the text is what the model wrote")
    func plain() {
        var growing = GrowingText(Style(isColoured: false))
        let text = "# a\n- **b** [c](d)\n| e | f |\n|---|---|\n---\n```swift\nlet x\n```"
        let rows = (growing.append(text) + growing.endText()).flatMap { $0.rows(width: 80) }
        #expect(rows == text.split(separator: "\n").map(String.init))
    }
}
