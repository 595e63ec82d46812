import HypiWire
import Testing

@testable import ChatCore

@Suite("The conversation as lines")
struct TranscriptTests {
    private let now = ContinuousClock.now

    private func assistant(_ text: String) -> JSON {
        ["role": "assistant", "content": [["type": "text", "text": .string(text)]], "stopReason": "stop"]
    }

    private func user(_ text: String) -> JSON {
        ["role": "user", "content": [["type": "text", "text": .string(text)]]]
    }

    private func transcript(_ records: JSON...) -> Transcript {
        var transcript = Transcript(Style(isColoured: false))
        for record in records { transcript.apply(record, now: now) }
        return transcript
    }

    private func welcome(_ messages: [JSON], partial: JSON? = nil) -> Welcome {
        var frame: JSONObject = ["type": "welcome", "currentSeq": 1, "messages": .array(messages)]
        frame["partial"] = partial
        return Welcome(.object(frame))
    }

    @Test("text comes as whole lines, the growing one is kept apart")
    func lines() {
        var transcript = transcript(
            ["type": "message_start", "message": ["role": "assistant", "content": []]], FakeAgent.delta("one\ntw"))
        #expect(transcript.takeLines() == ["one"])
        #expect(transcript.live == "tw")
        transcript.apply(["type": "message_end", "message": assistant("one\ntwo")], now: now)
        #expect(transcript.takeLines() == ["two"])
        #expect(transcript.live == nil)
    }

    @Test("a tool is one line with its mark, its output folded and opened by /expand")
    func tools() {
        let output = (1...9).map { "row \($0)" }.joined(separator: "\n")
        var transcript = transcript(
            [
                "type": "tool_execution_start", "toolCallId": "t", "toolName": "bash",
                "args": ["command": "npm test"],
            ])
        #expect(transcript.running.map(\.tool.summary) == ["$ npm test"])
        transcript.apply(
            [
                "type": "tool_execution_end", "toolCallId": "t", "isError": true,
                "result": ["content": [["type": "text", "text": .string(output)]]],
            ], now: now)
        let lines = transcript.takeLines()
        #expect(lines.first?.hasPrefix("✗ $ npm test") == true)
        #expect(lines.last == "  … 4 more lines (/expand)")
        transcript.expand()
        #expect(transcript.takeLines().count == 9)
    }

    @Test("after a gap what was missed comes once, also in the middle of a message")
    func rejoin() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a")]), now: now)
        transcript.apply(["type": "message_start", "message": ["role": "assistant", "content": []]], now: now)
        transcript.apply(FakeAgent.delta("first li"), now: now)
        transcript.rejoin(
            welcome([user("a"), assistant("first line"), user("b")], partial: assistant("grow")), now: now)
        #expect(transcript.takeLines() == ["first line", "", "› b", ""])
        #expect(transcript.live == "grow")
        transcript.apply(FakeAgent.delta("ing"), now: now)
        #expect(transcript.live == "growing")
    }

    @Test("a conversation that was replaced meanwhile is said")
    func replaced() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a"), assistant("b")]), now: now)
        transcript.rejoin(welcome([user("new")]), now: now)
        #expect(transcript.takeLines().contains("· the conversation was replaced while we were away"))
    }

    @Test("escape sequences of an agent never reach the terminal")
    func escapes() {
        var transcript = transcript(
            ["type": "message_start", "message": ["role": "assistant", "content": []]],
            FakeAgent.delta("a\u{1B}[2Jb\u{9B}31m\u{7}\n"))
        #expect(transcript.takeLines() == ["a[2Jb31m"])
    }
}

@Suite("Text on a terminal")
struct TerminalTextTests {
    @Test("rows are cut as a terminal wraps them: wide characters whole, escapes for nothing")
    func rows() {
        #expect(TextWidth.rows("abcd", width: 2) == ["ab", "cd"])
        #expect(TextWidth.rows("\u{1B}[1mab\u{1B}[22mc", width: 2) == ["\u{1B}[1mab\u{1B}[22m", "c"])
        #expect(TextWidth.rows("", width: 5) == [""])
        #expect(TextWidth.cut("abcdef", to: 4) == "abc…")
    }

    @Test("headings, bold and code are dressed; code blocks keep every character")
    func markdown() {
        var markdown = Markdown(Style(isColoured: true))
        #expect(markdown.line("# Head") == "\u{1B}[1m# Head\u{1B}[22m")
        #expect(markdown.line("a **b** `c` * d") == "a \u{1B}[1mb\u{1B}[22m \u{1B}[36mc\u{1B}[39m * d")
        _ = markdown.line("```swift")
        #expect(markdown.line("  **x**") == "\u{1B}[36m  **x**\u{1B}[39m")
        _ = markdown.line("```")
        #expect(markdown.line("**open") == "**open")
        #expect(Markdown(Style(isColoured: false)).preview("**b**") == "**b**")
    }

    @Test("answers to dialogs by number, text, or first letter; nothing else")
    func dialogAnswers() throws {
        let select = try #require(
            DialogRequest(["id": "1", "method": "select", "title": "?", "options": ["a", "2", "c"]]))
        #expect(DialogAnswer("2", to: select) == .value("2"))
        #expect(DialogAnswer("3", to: select) == .value("c"))
        #expect(DialogAnswer("4", to: select) == nil)
        let confirm = try #require(DialogRequest(["id": "1", "method": "confirm", "title": "?"]))
        #expect(DialogAnswer("Y", to: confirm) == .confirmed(true))
        #expect(DialogAnswer("maybe", to: confirm) == nil)
    }

    @Test("Tab offers commands at the beginning of a line and files behind an @")
    func completion() {
        var completion = Completion()
        completion.setCommands([["name": "review"]])
        #expect(completion.candidates("/re", line: "/re") == ["/resume", "/review"])
        #expect(completion.candidates("/re", line: "see /re") == [])
        #expect(completion.candidates("@src/m", line: "see @src/m") == nil)
        completion.setFiles([["path": "src/main.swift"], ["path": "src/model", "isDirectory": true]], folder: "src/")
        #expect(completion.candidates("@src/m", line: "see @src/m") == ["@src/main.swift", "@src/model/"])
    }
}
