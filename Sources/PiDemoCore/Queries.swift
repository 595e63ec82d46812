import HypiWire

/// The commands that only ask.
extension Agent {
    /// Answers a question; `false` if the command is none.
    func query(_ command: Command) -> Bool {
        switch command.type?.string {
        case "get_state": send(command.success(state))
        case "get_messages": send(command.success(["messages": .array(session.context)]))
        case "get_commands": send(command.success(["commands": .array(commands)]))
        case "get_session_stats": send(command.success(statistics))
        case "get_available_models": send(command.success(["models": .array(DemoModel.all.map(\.json))]))
        case "get_last_assistant_text": send(command.success(lastAssistantText))
        case "get_fork_messages": send(command.success(["messages": .array(forkMessages)]))
        case "get_entries" where wire >= .v0_84: sendEntries(command)
        case "get_available_thinking_levels" where wire >= .v0_84:
            let levels = model.isReasoning ? ThinkingLevel.allCases : [.off]
            send(command.success(["levels": .array(levels.map { .string($0.rawValue) })]))
        default: return false
        }
        return true
    }

    private var state: JSON {
        var state: JSONObject = [
            "model": model.json, "thinkingLevel": .string(thinking.rawValue), "isStreaming": .bool(isStreaming),
            "isCompacting": .bool(isCompacting), "steeringMode": .string(steering.mode),
            "followUpMode": .string(followUps.mode),
        ]
        state["sessionFile"] = session.path.map(JSON.string)
        state["sessionId"] = .string(session.id)
        state["sessionName"] = session.name.map(JSON.string)
        state["autoCompactionEnabled"] = .bool(isAutoCompacting)
        state["messageCount"] = .int(session.context.count)
        state["pendingMessageCount"] = .int(steering.waiting.count + followUps.waiting.count)
        return .object(state)
    }

    private var commands: [JSON] {
        SlashCommand.catalogue.map { name, description in
            var command: JSONObject = [
                "name": .string(name), "description": .string(description), "source": "extension",
            ]
            if wire < .v0_79 {
                command["path"] = "<pi-demo>"
            } else {
                command["sourceInfo"] = [
                    "path": "<pi-demo>", "source": "local", "scope": "temporary", "origin": "top-level",
                ]
            }
            return .object(command)
        }
    }

    private var statistics: JSON {
        var stats: JSONObject = [:]
        stats["sessionFile"] = session.path.map(JSON.string)
        stats["sessionId"] = .string(session.id)
        let messages = session.context
        let count = { (role: String) in JSON.int(messages.count { Message.role($0) == role }) }
        stats["userMessages"] = count("user")
        stats["assistantMessages"] = count("assistant")
        let calls = messages.flatMap { $0["content"]?.array ?? [] }.count { $0["type"]?.string == "toolCall" }
        stats["toolCalls"] = .int(calls)
        stats["toolResults"] = count("toolResult")
        stats["totalMessages"] = .int(messages.count)
        var totals = UsageTotals()
        if wire < .v0_84 {
            messages.forEach { totals.add($0["usage"]) }
        } else {
            // From 0.84 on they count the whole session, compactions and what they took away included.
            session.entries.forEach { totals.add($0["message"]?["usage"] ?? $0["usage"]) }
        }
        stats["tokens"] = totals.tokens
        stats["cost"] = .double(totals.cost)
        if wire >= .v0_79 { stats["contextUsage"] = contextUsage }
        return .object(stats)
    }

    /// How full the context is; unknown from a compaction to the next answer.
    private var contextUsage: JSON {
        let last = session.context.last { message in
            Message.role(message) == "assistant" && (message["usage"]?["totalTokens"]?.int ?? 0) > 0
        }
        let compacted = session.branch.last { $0["type"]?.string == "compaction" }?["timestamp"]?.string
        let isFresh = compacted.map { time in
            session.branch.contains { entry in
                entry["message"] == last && (entry["timestamp"]?.string ?? "") > time
            }
        }
        let tokens = isFresh ?? true ? last?["usage"]?["totalTokens"]?.int ?? 0 : nil
        return [
            "tokens": tokens.map { .int($0) } ?? .null, "contextWindow": .int(model.contextWindow),
            "percent": tokens.map { .double(Double($0) / Double(model.contextWindow) * 100) } ?? .null,
        ]
    }

    private var lastAssistantText: JSON {
        let last = session.context.last { message in
            Message.role(message) == "assistant" && !Message.plainText(message).isEmpty
        }
        // Absent before 0.84, null since.
        guard let last else { return wire < .v0_84 ? [:] : ["text": .null] }
        return ["text": .string(Message.plainText(last))]
    }

    private var forkMessages: [JSON] {
        session.branch.compactMap { entry in
            guard let message = entry["message"], Message.role(message) == "user" else { return nil }
            return ["entryId": entry["id"] ?? "", "text": .string(Message.plainText(message))]
        }
    }

    private func sendEntries(_ command: Command) {
        var entries = session.entries[...]
        if let since = command["since"] {
            guard let index = entries.firstIndex(where: { $0["id"] == since }) else {
                return send(command.failure("Entry not found: \(FieldFault.interpolated(since))"))
            }
            entries = entries[(index + 1)...]
        }
        send(
            command.success([
                "entries": .array(Array(entries)), "leafId": session.leafID.map(JSON.string) ?? .null,
            ]))
    }
}
