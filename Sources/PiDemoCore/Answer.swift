import HypiWire

/// One message of the model, streamed piece by piece.
extension Agent {
    /// Streams what the model says next, keeps it, and tells how it ended; `.silence` means that it was aborted.
    func answer(_ failures: Int) async -> (AssistantMessage, Reply.Ending) {
        let reply = conversation(failures).reply
        var message = AssistantMessage(model: model)
        if wire >= .v0_87 { message.stopReason = .pending }
        emit(["type": "message_start", "message": message.json])
        if wire >= .v1_0 { message.thinkingLevel = thinking }
        message.usage = promptUsage()
        var ending = reply.ending
        do {
            try await stream(reply, &message)
            if case .failure(let error, _) = ending {
                message.stopReason = .error
                message.errorMessage = error
            } else {
                message.stopReason = message.toolCalls.isEmpty ? .stop : .toolUse
            }
        } catch {
            if message.blocks.isEmpty { message.usage = Usage(price: model.price) }
            message.stopReason = .aborted
            message.errorMessage = "Request was aborted."
            ending = .silence
        }
        emit(["type": "message_end", "message": message.json])
        session.append(message: message.json)
        return (message, ending)
    }

    /// What the model is asked.
    private func conversation(_ failures: Int) -> Conversation {
        let messages = session.branch.compactMap { $0["message"] }.filter { Message.role($0) != "system" }
        let users = messages.filter { Message.role($0) == "user" }
        let results = session.context.reversed().prefix { Message.role($0) == "toolResult" }
        let images = (users.last?["content"]?.array ?? []).count { $0["type"]?.string == "image" }
        return Conversation(
            prompts: users.map(Message.plainText), messageCount: messages.count, toolResults: results.reversed(),
            imageCount: images, isThinking: thinking != .off, failures: failures)
    }

    /// What the question costs: what the model has seen before is read from its cache.
    private func promptUsage() -> Usage {
        let last = session.context.last { $0["usage"] != nil && $0["stopReason"]?.string != "error" }
        let compaction = session.context.first.map(Message.role) == "compactionSummary"
        let seen = ["input", "cacheRead", "cacheWrite"].map { last?["usage"]?[$0]?.int ?? 0 }.reduce(0, +)
        let all = Self.systemPromptTokens + session.context.map(Usage.tokens(ofMessage:)).reduce(0, +)
        var usage = Usage(price: model.price)
        usage.cacheRead = compaction && seen > all ? 0 : min(seen, all)
        usage.input = all - usage.cacheRead
        return usage
    }

    /// As if the model had been given instructions of this length.
    private static let systemPromptTokens = 180

    private func stream(_ reply: Reply, _ message: inout AssistantMessage) async throws {
        try Task.checkCancellation()
        var pace = Pace(charactersPerSecond: charactersPerSecond)
        if let thinking = reply.thinking {
            try await streamText(thinking, "thinking", AssistantMessage.Block.thinking, &message, &pace)
        }
        if !reply.text.isEmpty {
            try await streamText(reply.text, "text", AssistantMessage.Block.text, &message, &pace)
        }
        for call in reply.calls {
            try await streamCall(nextToolCall(call), &message, &pace)
        }
        if reply.ending == .silence {
            isHanging = true
            defer { isHanging = false }
            if inputHasEnded { throw CancellationError() }
            // `/hang` stands for a model that never goes on: only an abort, which cancels the task, ends it.
            try await Task.sleep(for: .seconds(Int64.max / 4))
        }
    }

    private func streamText(
        _ text: String, _ kind: String, _ block: (String) -> AssistantMessage.Block,
        _ message: inout AssistantMessage, _ pace: inout Pace
    ) async throws {
        let index = message.blocks.count
        message.blocks.append(block(""))
        update("\(kind)_start", index, [:], message)
        var shown = ""
        let outputBefore = message.usage.output
        for piece in Pieces(text) {
            shown += piece
            message.blocks[index] = block(shown)
            message.usage.output = outputBefore + Usage.tokens(shown)
            update("\(kind)_delta", index, ["delta": .string(String(piece))], message)
            try await pace.pause(after: piece.count)
        }
        update("\(kind)_end", index, ["content": .string(shown)], message)
    }

    private func streamCall(
        _ call: ToolCall, _ message: inout AssistantMessage, _ pace: inout Pace
    ) async throws {
        let index = message.blocks.count
        message.blocks.append(.toolCall(call, isComplete: false))
        update("toolcall_start", index, [:], message)
        let arguments = call.arguments.text
        for piece in Pieces(arguments) {
            update("toolcall_delta", index, ["delta": .string(String(piece))], message)
            try await pace.pause(after: piece.count)
        }
        message.blocks[index] = .toolCall(call, isComplete: true)
        message.usage.output += Usage.tokens(arguments)
        update("toolcall_end", index, ["toolCall": call.json(arguments: call.arguments)], message)
    }

    private func update(_ type: String, _ index: Int, _ fields: JSONObject, _ message: AssistantMessage) {
        var event: JSONObject = ["type": .string(type), "contentIndex": .int(index)]
        for member in fields.members { event[member.key] = member.value }
        guard wire >= .v0_84 else {
            let partial = message.json
            event["partial"] = partial
            return emit(["type": "message_update", "assistantMessageEvent": .object(event), "message": partial])
        }
        if type == "toolcall_start", case .toolCall(let call, _) = message.blocks[index] {
            event["id"] = .string(call.id)
            event["toolName"] = .string(call.name)
        }
        emit(["type": "message_update", "usage": message.usage.json, "assistantMessageEvent": .object(event)])
    }
}

/// A text cut into words with the space behind them, none longer than a line of a narrow screen.
struct Pieces: Sequence, IteratorProtocol {
    private var rest: Substring
    private static let longest = 24

    init(_ text: String) {
        rest = text[...]
    }

    mutating func next() -> Substring? {
        guard !rest.isEmpty else { return nil }
        var end = rest.startIndex
        var count = 0
        while end < rest.endIndex, count < Self.longest {
            let character = rest[end]
            end = rest.index(after: end)
            count += 1
            if character == " " || character == "\n" { break }
        }
        defer { rest = rest[end...] }
        return rest[..<end]
    }
}
