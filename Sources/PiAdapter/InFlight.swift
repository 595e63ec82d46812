public import NIOCore

/// What is under way between two complete messages: the part of a snapshot that `get_messages` does not have.
///
/// Pure: records in; the partial message and the running tools out.
public struct InFlight: Sendable {
    /// A tool that runs: its start record and its newest update, as pi wrote them.
    public struct Tool: Sendable {
        /// `tool_execution_start`.
        public var start: ByteBuffer
        /// The newest `tool_execution_update`, if there was one; its result is cumulative.
        public var update: ByteBuffer?
    }

    private var message: PartialMessage?
    private var tools: [(id: ByteBuffer, tool: Tool)] = []

    /// Nothing is under way.
    public init() {}

    /// The assistant message so far, as raw JSON; `nil` between messages.
    public var partial: ByteBuffer? {
        message?.message()
    }

    /// The same without the first half of a character at the end of a text, which the next delta of ``SplitCharacters``
    /// brings.
    public var partialOfWholeCharacters: ByteBuffer? {
        message?.message(holdsHalves: true)
    }

    /// What those deltas begin with.
    public var halves: SplitCharacters {
        SplitCharacters(halves: message?.halves ?? [:])
    }

    /// The tools that run, in the order they began.
    public var runningTools: [Tool] {
        tools.map(\.tool)
    }

    /// Takes the next record.
    public mutating func apply(_ record: PiRecord) {
        switch record.kind {
        // An extension's own message may come in the middle of an answer.
        case .messageStart: message = PartialMessage(record) ?? message
        case .messageUpdate: message?.apply(record)
        case .messageEnd: if PartialMessage.isAssistant(record) { message = nil }
        case .toolStart:
            if let id = record.value(of: "toolCallId") { tools.append((id, Tool(start: record.line))) }
        case .toolUpdate:
            if let index = index(of: record) { tools[index].tool.update = record.line }
        case .toolEnd:
            if let index = index(of: record) { tools.remove(at: index) }
        case .agentStart, .agentEnd, .agentSettled: self = InFlight()
        default: break
        }
    }

    private func index(of record: PiRecord) -> Int? {
        guard let id = record.value(of: "toolCallId") else { return nil }
        return tools.firstIndex { $0.id == id }
    }
}
