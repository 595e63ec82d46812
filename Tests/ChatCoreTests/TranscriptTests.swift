import HypiWire
import Testing

@testable import ChatCore

extension Transcript {
    /// The texts of the lines that were finished since the last call.
    fileprivate mutating func texts(width: Int = .max) -> [String] {
        takeLines(width: width).map(\.text)
    }
}

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
        #expect(transcript.texts() == ["one"])
        #expect(transcript.live.first?.text == "tw")
        transcript.apply(["type": "message_end", "message": assistant("one\ntwo")], now: now)
        #expect(transcript.texts() == ["two"])
        #expect(transcript.live.isEmpty)
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
        let lines = transcript.texts()
        #expect(lines.first?.hasPrefix("✗ $ npm test") == true)
        #expect(lines.last == "  … 4 more lines (/expand)")
        transcript.expand()
        #expect(transcript.takeLines().count == 9)
    }

    @Test("a message that the agent has lost is ended, and what it says next stands apart")
    func lostMessage() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a")]), now: now)
        transcript.apply(["type": "message_start", "message": ["role": "assistant", "content": []]], now: now)
        transcript.apply(FakeAgent.delta("half sa"), now: now)
        transcript.rejoin(welcome([user("a")]), now: now)
        #expect(transcript.texts() == ["half sa", "· what is above was cut off; the agent does not have it"])
        transcript.apply(["type": "message_start", "message": ["role": "assistant", "content": []]], now: now)
        transcript.apply(FakeAgent.delta("new"), now: now)
        #expect(transcript.live.first?.text == "new")
        transcript.rejoin(welcome([user("a"), user("b"), assistant("c")]), now: now)
        #expect(
            transcript.texts()
                == ["new", "· what is above was cut off; the agent does not have it", "", "› b", "", "c"])
    }

    @Test("calls are told as a person would write them; the diff of an edit is coloured")
    func calls() {
        #expect(ToolLine(name: "bash", arguments: ["command": "npm test\nnpm run"]).summary == "$ npm test …")
        #expect(
            ToolLine(name: "read", arguments: ["path": "src/a.ts", "offset": 10, "limit": 31]).summary
                == "read src/a.ts:10-40")
        #expect(ToolLine(name: "edit", arguments: ["path": "src/a.ts"]).summary == "edit src/a.ts")
        let edit = ToolLine(name: "edit", arguments: ["path": "src/a.ts"])
        let diff = edit.output(["details": ["diff": "+new\n-old\n same"]])
            .lines(limit: 5, width: 80, Style(isColoured: true))
        #expect(
            diff == ["  \u{1B}[32m+new\u{1B}[39m", "  \u{1B}[31m-old\u{1B}[39m", "  \u{1B}[2m same\u{1B}[22m"])
    }

    @Test("after a gap what was missed comes once, also in the middle of a message")
    func rejoin() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a")]), now: now)
        transcript.apply(["type": "message_start", "message": ["role": "assistant", "content": []]], now: now)
        transcript.apply(FakeAgent.delta("first li"), now: now)
        transcript.rejoin(
            welcome([user("a"), assistant("first line"), user("b")], partial: assistant("grow")), now: now)
        #expect(transcript.texts() == ["first line", "", "› b", ""])
        #expect(transcript.live.first?.text == "grow")
        transcript.apply(FakeAgent.delta("ing"), now: now)
        #expect(transcript.live.first?.text == "growing")
    }

    @Test("a conversation that was replaced meanwhile is said")
    func replaced() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a"), assistant("b")]), now: now)
        transcript.rejoin(welcome([user("new")]), now: now)
        #expect(transcript.texts() == ["· the conversation is another one now", "", "› new", ""])
    }

    @Test("a session that looks like a longer one of the same is another one, when the agent says so")
    func changed() {
        var transcript = Transcript(Style(isColoured: false))
        transcript.join(welcome([user("a")]), now: now)
        transcript.replaced()
        transcript.rejoin(welcome([user("x"), assistant("y")]), now: now)
        #expect(transcript.texts() == ["· the conversation is another one now", "", "› x", "", "y"])
    }

    @Test("escape sequences of an agent never reach the terminal")
    func escapes() {
        var transcript = transcript(
            ["type": "message_start", "message": ["role": "assistant", "content": []]],
            FakeAgent.delta("a\u{1B}[2Jb\u{9B}31m\u{7}\n"))
        #expect(transcript.texts() == ["ab"])
    }
}

extension Markdown {
    /// Dresses a line that comes whole.
    fileprivate mutating func line(_ text: String) -> String {
        end(text, kind(of: text), isStart: true).map(\.text).joined(separator: "\n")
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
        #expect(markdown.line("  **x**") == "  **x**")
        _ = markdown.line("```")
        #expect(markdown.line("**open") == "**open")
        var plain = Markdown(Style(isColoured: false))
        #expect(plain.line("**b**") == "**b**")
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

    @Test("Tab offers commands at the beginning of a line and files after an @")
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
