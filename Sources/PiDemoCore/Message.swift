import HypiWire

/// The messages of a conversation in pi's shapes (its `docs/session-format.md`, "Message Types").
enum Message {
    static func text(_ text: String) -> JSON {
        ["type": "text", "text": .string(text)]
    }

    static func user(_ prompt: String, images: [JSON] = []) -> JSON {
        ["role": "user", "content": .array([text(prompt)] + images), "timestamp": Timestamp.now().json]
    }

    /// The instructions that pi 0.87 and later keep as the first message of a session.
    static func system(cwd: String) -> JSON {
        let parameters: JSON = [
            "type": "object", "required": ["command"],
            "properties": ["command": ["type": "string", "description": "The shell command"]],
        ]
        return [
            "role": "system", "content": "",
            "sections": [
                "preamble": "You are pi-demo, a stand-in for a coding agent.", "tools": "- bash: Run a shell command",
                "rules": "Run what a prompt asks for.", "docs": "", "skills": "", "cwd": .string(cwd),
            ],
            "timestamp": Timestamp.now().json,
            "toolsAdded": [
                [
                    "name": "bash", "description": "Run a shell command", "parameters": parameters,
                    "constrainedSampling": ["type": "json_schema", "strict": true],
                ]
            ],
        ]
    }

    static func toolResult(_ call: ToolCall, _ result: ToolResult) -> JSON {
        var message: JSONObject = [
            "role": "toolResult", "toolCallId": .string(call.id), "toolName": .string(call.name),
        ]
        for member in result.json.object?.members ?? [] { message[member.key] = member.value }
        message["isError"] = .bool(result.isError)
        message["timestamp"] = Timestamp.now().json
        return .object(message)
    }

    static func bashExecution(_ command: String, _ outcome: JSONObject) -> JSON {
        var message: JSONObject = ["role": "bashExecution", "command": .string(command)]
        for member in outcome.members { message[member.key] = member.value }
        message["timestamp"] = Timestamp.now().json
        return .object(message)
    }

    static func custom(_ content: String, details: JSON) -> JSON {
        [
            "role": "custom", "customType": "pi-demo", "content": .string(content), "display": true, "details": details,
            "timestamp": Timestamp.now().json,
        ]
    }

    static func compactionSummary(_ summary: String, tokensBefore: Int) -> JSON {
        [
            "role": "compactionSummary", "summary": .string(summary), "tokensBefore": .int(tokensBefore),
            "timestamp": Timestamp.now().json,
        ]
    }

    /// The text of a message, its text blocks joined; empty where it has none.
    static func plainText(_ message: JSON) -> String {
        if let text = message["content"]?.string { return text }
        return (message["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined()
    }

    static func role(_ message: JSON) -> String {
        message["role"]?.string ?? ""
    }
}

/// One call of a tool that the model asks for.
struct ToolCall: Sendable {
    let id: String
    let name: String
    let arguments: JSON
}

/// What a tool gave back.
struct ToolResult: Sendable {
    var text: String
    /// Absent on a plain success, as with pi's own tools.
    var details: JSON?
    var isError = false
    /// The output apart from the text for the model; only pi 1.0 reports it, and not in the message.
    var structured: JSON?

    var json: JSON {
        var object: JSONObject = ["content": [Message.text(text)]]
        object["details"] = details
        return .object(object)
    }

    /// The result as `tool_execution_end` reports it.
    var report: JSON {
        guard let structured else { return json }
        var object: JSONObject = ["content": [Message.text(text)], "structuredContent": structured]
        object["details"] = details
        if isError { object["isError"] = true }
        return .object(object)
    }
}

/// An assistant's message while it grows and when it is done.
struct AssistantMessage: Sendable {
    enum Block: Sendable {
        case text(String)
        case thinking(String)
        /// A call whose arguments are complete only when `isComplete`; until then they are shown as `{}`.
        case toolCall(ToolCall, isComplete: Bool)
    }

    enum StopReason: String, Sendable {
        case pending, stop, toolUse, error, aborted
    }

    let model: DemoModel
    var blocks: [Block] = []
    var usage: Usage
    var stopReason = StopReason.stop
    var errorMessage: String?
    /// Only in messages of pi 1.0, once they have ended.
    var thinkingLevel: ThinkingLevel?
    let timestamp = Timestamp.now()

    init(model: DemoModel) {
        self.model = model
        usage = Usage(price: model.price)
    }

    var toolCalls: [ToolCall] {
        blocks.compactMap { if case .toolCall(let call, true) = $0 { call } else { nil } }
    }

    var json: JSON {
        var object: JSONObject = [
            "role": "assistant", "content": .array(blocks.map(\.json)), "api": .string(DemoModel.api),
            "provider": .string(DemoModel.provider), "model": .string(model.id), "usage": usage.json,
            "stopReason": .string(stopReason.rawValue), "timestamp": timestamp.json,
        ]
        // Last, as pi has it: it is added to a message that is otherwise finished.
        object["errorMessage"] = errorMessage.map(JSON.string)
        object["thinkingLevel"] = thinkingLevel.map { .string($0.rawValue) }
        return .object(object)
    }
}

extension AssistantMessage.Block {
    var json: JSON {
        switch self {
        case .text(let text): Message.text(text)
        case .thinking(let thinking): ["type": "thinking", "thinking": .string(thinking)]
        case .toolCall(let call, let isComplete): call.json(arguments: isComplete ? call.arguments : [:])
        }
    }
}

extension ToolCall {
    func json(arguments: JSON) -> JSON {
        ["type": "toolCall", "id": .string(id), "name": .string(name), "arguments": arguments]
    }
}
