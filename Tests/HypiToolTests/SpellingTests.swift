import Testing

@testable import HypiTool

@Suite("Spelling")
struct SpellingTests {
    @Test(
        "a slip in a word is one step, and so are two characters that have changed places",
        arguments: [
            ("", "", 0), ("json", "json", 0), ("jsno", "json", 1), ("jso", "json", 1), ("jsson", "json", 1),
            ("jzon", "json", 1), ("", "abc", 3), ("kitten", "sitting", 3), ("abcd", "badc", 2),
        ])
    func distance(first: String, second: String, steps: Int) {
        #expect(Spelling.distance(first, second) == steps)
        #expect(Spelling.distance(second, first) == steps)
    }

    @Test(
        "a word is proposed for a misspelt one, and none for one that is only as short",
        arguments: [
            ("jsno", "json"), ("max-cots", "max-cost"), ("tmieout", "timeout"), ("token_file", "token-file"),
            ("foo", nil),
            ("cat", nil), ("cw", "cwd"), ("port", nil), ("", nil), ("nonsense", nil),
        ])
    func nearest(word: String, meant: String?) {
        let words = ["cwd", "grace", "heartbeat", "json", "max-cost", "root", "timeout", "token-file"]
        #expect(Spelling.nearest(to: word, among: words) == meant)
    }
}
