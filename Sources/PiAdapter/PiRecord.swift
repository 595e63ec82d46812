public import HypiWire
public import NIOCore

/// One line of pi's stdout that is a JSON object, with the little that has to be known of it to pass it on.
///
/// The bytes are never changed and hardly ever decoded. Source: pi's `docs/rpc.md` and `docs/json.md`; what this version
/// does not know is `.other` and goes through like everything else.
public struct PiRecord: Sendable, Equatable {
    /// What a record is, by its `type`.
    public enum Kind: String, Sendable {
        /// pi's answer to a command.
        case response
        /// A run of the agent begins.
        case agentStart = "agent_start"
        /// A run ends; a retry or a queued message may follow.
        case agentEnd = "agent_end"
        /// Nothing follows (pi 0.84 and later).
        case agentSettled = "agent_settled"
        /// One request to the model and its tools begin.
        case turnStart = "turn_start"
        /// They end.
        case turnEnd = "turn_end"
        /// A message of any role begins.
        case messageStart = "message_start"
        /// An assistant message grows.
        case messageUpdate = "message_update"
        /// A message is complete; what it carries is authoritative.
        case messageEnd = "message_end"
        /// A tool begins.
        case toolStart = "tool_execution_start"
        /// A tool has more output; `partialResult` is cumulative.
        case toolUpdate = "tool_execution_update"
        /// A tool ends.
        case toolEnd = "tool_execution_end"
        /// An extension asks or tells something.
        case uiRequest = "extension_ui_request"
        /// An extension failed.
        case extensionError = "extension_error"
        /// A failed request will be tried again.
        case retryStart = "auto_retry_start"
        /// It was, or was given up.
        case retryEnd = "auto_retry_end"
        /// The conversation is being summarised (0.84 and later).
        case compactionStart = "compaction_start"
        /// It was.
        case compactionEnd = "compaction_end"
        /// The conversation is being summarised (before 0.84).
        case autoCompactionStart = "auto_compaction_start"
        /// It was.
        case autoCompactionEnd = "auto_compaction_end"
        /// The queues changed (0.84 and later).
        case queueUpdate = "queue_update"
        /// A `bash` command has more output.
        case bashUpdate = "bash_execution_update"
        /// The session has another name.
        case sessionInfoChanged = "session_info_changed"
        /// The thinking level is another one.
        case thinkingLevelChanged = "thinking_level_changed"
        /// The session has another entry; a `context_edit` takes a message out of the context.
        case entryAppended = "entry_appended"
        /// The request for a summary failed and will be tried again, or is being tried again.
        case summaryRetryStart = "summarization_retry_start"
        /// It was, or was given up.
        case summaryRetryEnd = "summarization_retry_end"
        /// Anything else.
        case other
    }

    /// The line, without its LF.
    public let line: ByteBuffer
    /// What it is.
    public let kind: Kind

    /// Takes a line; `nil` if it is not one whole JSON object in UTF-8.
    public init?(line: ByteBuffer) {
        let kind = line.withUnsafeReadableBytes { bytes -> Kind? in
            // What is no JSON would break the envelope it is put into, and a text frame that is not UTF-8 would cost every
            // viewer its connection (RFC 6455 section 8.1).
            JSONValidator.object(bytes, string: "type").map { object in
                object.string.map { Self.kind(UnsafeRawBufferPointer(rebasing: bytes[$0])) } ?? .other
            }
        }
        guard let kind else { return nil }
        self.line = line
        self.kind = kind
    }

    private static func kind(_ value: UnsafeRawBufferPointer) -> Kind {
        guard value.count > 2, value.count < 40 else { return .other }
        let type = String(decoding: value.dropFirst().dropLast(), as: UTF8.self)
        if let kind = Kind(rawValue: type) { return kind }
        // Its steps are named differently from version to version.
        guard type.hasPrefix("summarization_retry_") else { return .other }
        return type.hasSuffix("_finished") ? .summaryRetryEnd : .summaryRetryStart
    }

    /// The whole record, decoded; for the few kinds whose content matters.
    ///
    /// - Throws: ``JSONError`` for a line that nests deeper than the parser goes.
    public func json() throws(JSONError) -> JSON {
        try JSON(parsing: line)
    }

    /// Whether the record is about a message of the model.
    public var isOfAssistant: Bool {
        value(of: "message")?.value(of: "role") == ByteBuffer(string: "\"assistant\"")
    }

    /// Why the model failed, in a `message_end` that says that it did.
    public var failure: String? {
        guard let message = value(of: "message"),
            message.value(of: "stopReason") == ByteBuffer(string: "\"error\"")
        else { return nil }
        let words = message.value(of: "errorMessage").flatMap { try? JSON(parsing: $0) }?.string
        return words ?? "the model failed"
    }

    /// The raw value of a top-level member.
    public func value(of key: StaticString) -> ByteBuffer? {
        line.value(of: key)
    }
}

extension ByteBuffer {
    /// The raw value of a member of the object in the readable bytes; shares their storage.
    package func value(of key: StaticString) -> ByteBuffer? {
        let range = withUnsafeReadableBytes { bytes in
            var scanner = KeyScanner(bytes)
            return scanner.value(of: key)
        }
        return range.flatMap { getSlice(at: readerIndex + $0.lowerBound, length: $0.count) }
    }
}
