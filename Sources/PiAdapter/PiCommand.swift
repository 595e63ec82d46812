public import HypiWire
public import NIOCore

/// Commands for pi's stdin, and what has to be known of those that viewers send (pi's `docs/rpc-commands.md`).
public enum PiCommand {
    /// How a command has to be handled on its way to pi.
    public enum Handling: Sendable, Equatable {
        /// Starts a run, or steers one: one at a time, always with `streamingBehavior`.
        case prompt
        /// Says something to the model while a run is under way.
        case steer
        /// A prompt for after the run.
        case followUp
        /// Takes back what waits.
        case clearsQueue
        /// Stops a run: waits until the run before it has begun.
        case abort
        /// Replaces or cuts off the conversation: state has to be taken afresh.
        case replacesSession
        /// Changes what the roster shows.
        case changesState
        /// Goes through.
        case plain
    }

    /// How a command of this type is handled.
    public static func handling(_ type: String) -> Handling {
        switch type {
        case "prompt": .prompt
        case "steer": .steer
        case "follow_up": .followUp
        case "clear_queue": .clearsQueue
        case "abort": .abort
        case "new_session", "switch_session", "fork", "compact": .replacesSession
        case "set_model", "cycle_model", "set_thinking_level", "cycle_thinking_level", "set_session_name", "clone":
            .changesState
        default: .plain
        }
    }

    /// Whether a command, when it is done, leaves the agent in another conversation.
    public static func changesSession(_ type: String) -> Bool {
        ["new_session", "switch_session", "fork"].contains(type)
    }

    /// Whether a command makes the agent work, so that one that stops or is blocked refuses it.
    public static func startsWork(_ type: String) -> Bool {
        ["prompt", "steer", "follow_up", "bash"].contains(type)
    }

    /// Whether a failure of this command comes back without its id, as `command: "parse"` (records real-0.58.3, trap 1).
    public static func failsWithoutID(_ type: String) -> Bool {
        switch type {
        case "prompt", "get_state", "get_messages", "get_commands", "get_session_stats", "abort": false
        default: true
        }
    }

    /// Asks what pi does.
    public static let getState: JSONObject = ["type": "get_state"]
    /// Asks what the session has cost.
    public static let getStats: JSONObject = ["type": "get_session_stats"]
    /// Asks for the slash commands.
    public static let getCommands: JSONObject = ["type": "get_commands"]
    /// Asks for the conversation.
    public static let getMessages: JSONObject = ["type": "get_messages"]
    /// Stops the run.
    public static let abort: JSONObject = ["type": "abort"]
    /// Takes back what waits in pi (0.84 and later; an older pi refuses it).
    public static let clearQueue: JSONObject = ["type": "clear_queue"]

    /// Whether a command only asks, so that asking twice does no harm.
    public static func isQuery(_ type: String) -> Bool {
        type.hasPrefix("get_")
    }

    /// The answer to a command that never reached pi, in the shape of pi's own; its id is empty and to be replaced.
    ///
    /// - Parameters:
    ///   - type: The command's type.
    ///   - error: Why it was not done.
    ///   - data: What a program has to know of it.
    /// - Returns: The record.
    public static func refusal(of type: String, _ error: String, data: JSON? = nil) -> ByteBuffer {
        var record: JSONObject = [
            "id": "", "type": "response", "command": .string(type), "success": false, "error": .string(error),
        ]
        record["data"] = data
        return JSON.object(record).buffer
    }

    /// The answer to a command that was done without pi; its id is empty and to be replaced.
    public static func answer(to type: String, _ data: JSON) -> ByteBuffer {
        let record: JSONObject = [
            "id": "", "type": "response", "command": .string(type), "success": true, "data": data,
        ]
        return JSON.object(record).buffer
    }

    /// pi's answer to a prompt with what became of it, in the form that pi 0.99 and later use; other bytes stay.
    public static func adding(disposition: String, to line: ByteBuffer) -> ByteBuffer {
        guard line.value(of: "data") == nil,
            let brace = line.readableBytesView.lastIndex(of: UInt8(ascii: "}")),
            let head = line.getSlice(at: line.readerIndex, length: brace - line.readerIndex)
        else { return line }
        var answer = ByteBuffer()
        answer.writeImmutableBuffer(head)
        answer.writeString(",\"data\":{\"disposition\":\"\(disposition)\"}}")
        return answer
    }

    /// A command that starts a run, as the prompt that it is for a pi at rest.
    public static func asPrompt(_ command: JSONObject) -> JSONObject {
        guard command["type"]?.string != "prompt" else { return command }
        var prompt = command
        prompt["type"] = "prompt"
        prompt["streamingBehavior"] = "followUp"
        return prompt
    }

    /// A prompt from plain text.
    public static func prompt(_ text: String, images: [JSON] = []) -> JSONObject {
        var command: JSONObject = ["type": "prompt", "message": .string(text)]
        if !images.isEmpty { command["images"] = .array(images) }
        return command
    }

    /// A command as it goes to pi: our id, and `streamingBehavior` for prompts that do not say.
    ///
    /// A real pi refuses a prompt in mid-run without it, and takes it while idle (record 06-idle-followup).
    public static func line(_ command: JSONObject, id: String) -> ByteBuffer {
        var command = command
        command["id"] = .string(id)
        if command["type"]?.string == "prompt", command["streamingBehavior"]?.string == nil {
            command["streamingBehavior"] = "followUp"
        }
        return JSON.object(command).buffer
    }
}

/// What pi's `get_state` answers, as far as we look at it.
public struct PiState: Sendable, Equatable {
    /// The whole answer, for viewers.
    public var raw: JSON
    /// Whether a run is under way.
    public var isStreaming: Bool { raw["isStreaming"]?.bool ?? false }
    /// Whether the conversation is being summarised.
    public var isCompacting: Bool { raw["isCompacting"]?.bool ?? false }
    /// The session's file, if it has one.
    public var sessionFile: String? { raw["sessionFile"]?.string }
    /// The session's id.
    public var sessionID: String? { raw["sessionId"]?.string }
    /// The session's display name.
    public var sessionName: String? { raw["sessionName"]?.string }
    /// `provider/model`.
    public var model: String? {
        guard let id = raw["model"]?["id"]?.string else { return nil }
        let provider = raw["model"]?["provider"]?.string
        // pi's way to say that it has no model.
        if id == "unknown", provider == nil || provider == "unknown" { return nil }
        return provider.map { "\($0)/\(id)" } ?? id
    }
    /// The thinking level.
    public var thinkingLevel: String? { raw["thinkingLevel"]?.string }
    /// Messages that wait.
    public var pendingMessageCount: Int? { raw["pendingMessageCount"]?.int }

    /// A state from the `data` of the answer.
    public init(_ data: JSON) {
        raw = data
    }
}

/// What pi's `get_session_stats` answers, as far as we look at it.
public struct PiStats: Sendable, Equatable {
    /// US dollars.
    public var cost: Double?
    /// Tokens of all kinds.
    public var tokens: Int?
    /// How full the context is, in percent.
    public var contextPercent: Double?

    /// Statistics from the `data` of the answer.
    public init(_ data: JSON) {
        cost = data["cost"]?.double
        tokens = data["tokens"]?["total"]?.int
        contextPercent = data["contextUsage"]?["percent"]?.double
    }
}
