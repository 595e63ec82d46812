import HypiWire

/// What the pretended model says next: a value that depends on the conversation and on nothing else.
struct Reply: Equatable, Sendable {
    enum Ending: Equatable, Sendable {
        /// Finished, or waiting for its tools if it called any.
        case complete
        /// The provider failed; a retryable failure may be tried again.
        case failure(String, isRetryable: Bool)
        /// Nothing more comes until somebody aborts.
        case silence
    }

    struct Call: Equatable, Sendable {
        var name: String
        var arguments: JSON
    }

    var thinking: String?
    var text = ""
    var calls: [Call] = []
    var ending = Ending.complete

    static let authenticationError =
        #"401 {"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#
    static let overloadedError = #"529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
}

/// What the model is given: all prompts of this session so far and the messages since the last one.
struct Conversation {
    /// Every prompt on the session's branch, also those from before a compaction; the last is the one to answer.
    var prompts: [String]
    /// How many messages the session has, the prompt to answer included.
    var messageCount: Int
    /// What the tools gave that the model called last; empty when a prompt is to be answered.
    var toolResults: [JSON]
    var imageCount = 0
    var isThinking: Bool
    /// How often this prompt's answer has failed already.
    var failures = 0

    /// The model's next message.
    var reply: Reply {
        let prompt = prompts.last ?? ""
        guard toolResults.isEmpty else { return Reply(text: summaryOfTools) }
        if case .turn(let turn)? = try? SlashCommand.parse(prompt) { return ordered(turn) }
        let commands = prompt.split(separator: "\n").filter { $0.hasPrefix("!") }.map { $0.dropFirst() }
        guard commands.isEmpty else {
            let calls = commands.prefix(SlashCommand.callsLimit).map { Self.bash(String($0)) }
            return Reply(thinking: thinking("I run what was asked for and look at the output."), calls: calls)
        }
        return Reply(thinking: thinking("I look at what was said before, then answer."), text: answer(to: prompt))
    }

    private func thinking(_ text: String) -> String? {
        isThinking ? text : nil
    }

    private static func bash(_ command: String) -> Reply.Call {
        Reply.Call(name: "bash", arguments: ["command": .string(command)])
    }

    private func ordered(_ turn: SlashCommand.Turn) -> Reply {
        switch turn {
        case .long(let characters): return Reply(text: Self.prose(characters))
        case .error: return Reply(ending: .failure(Reply.authenticationError, isRetryable: false))
        case .retry(let wanted) where failures < wanted:
            return Reply(ending: .failure(Reply.overloadedError, isRetryable: true))
        case .retry: return Reply(text: "It worked after \(failures) failed attempt\(failures == 1 ? "" : "s").")
        case .hang: return Reply(text: "This answer stops here, ", ending: .silence)
        case .tools(let count) where count > 0:
            let calls = (1...count).map { Self.bash("echo step \($0) of \(count)") }
            return Reply(text: "I take \(count) step\(count == 1 ? "" : "s").", calls: calls)
        case .tools: return Reply(text: "Nothing to do.")
        case .big(let byteCount): return Reply(calls: [Reply.Call(name: "big", arguments: ["bytes": .int(byteCount)])])
        }
    }

    private func answer(to prompt: String) -> String {
        guard !asksForFirst(prompt) else {
            return "The first thing you said was:\n\n\(Self.quote(prompts.first ?? ""))\n"
        }
        var text = "You said:\n\n\(Self.quote(prompt))\n\n"
        if imageCount > 0 { text += "With \(imageCount) image\(imageCount == 1 ? "" : "s").\n\n" }
        let earlier = prompts.dropLast()
        guard !earlier.isEmpty else { return text + "That is the **first message** of this session." }
        text += "I remember **\(messageCount) messages**. Before this one you said:\n"
        for (index, one) in earlier.enumerated().suffix(5) {
            text += "\n\(index + 1). \(Self.shortened(one, to: 60))"
        }
        return text
    }

    private func asksForFirst(_ prompt: String) -> Bool {
        let words = Set(prompt.lowercased().split { !$0.isLetter })
        return words.contains("first") && !words.isDisjoint(with: ["say", "said", "ask", "asked", "message", "prompt"])
    }

    private var summaryOfTools: String {
        let failed = toolResults.count { $0["isError"]?.bool == true }
        let lines = toolResults.flatMap { Message.plainText($0).split(separator: "\n") }
        let last = Self.shortened(String(lines.last ?? ""), to: 80)
        guard failed == 0 else {
            return toolResults.count == 1
                ? "That failed: \(last)." : "\(failed) of \(toolResults.count) commands failed."
        }
        return "Done: \(lines.count) line\(lines.count == 1 ? "" : "s") of output, ending with `\(last)`."
    }

    /// The text as a Markdown quotation, cut where it is long.
    private static func quote(_ text: String) -> String {
        let lines = shortened(text, to: 280).split(separator: "\n", omittingEmptySubsequences: false)
        return lines.map { "> \($0)" }.joined(separator: "\n")
    }

    private static func shortened(_ text: String, to limit: Int) -> String {
        let head = text.prefix(limit)
        return head.endIndex == text.endIndex ? text : head + "…"
    }

    /// Exactly so many characters of text.
    static func prose(_ characters: Int) -> String {
        let sentence = Array("Once upon a time there was a small program that read one line after another. ".utf8)
        let bytes = (0..<characters).map { sentence[$0 % sentence.count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
