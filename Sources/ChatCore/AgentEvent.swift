public import HypiWire
public import NIOCore
import PiAdapter

/// What an ``AgentConnection`` tells, in the order in which it happened.
public struct AgentEvent: Sendable {
    /// What happened.
    public enum Kind: Sendable {
        /// The first connection, or one that could not be joined to the last: this is the whole state.
        case welcome(Welcome)
        /// The connection is back and what was missed follows; nothing is lost.
        case resumed(Welcome)
        /// A record of pi.
        case record(JSON)
        /// An extension asks or tells something.
        case dialog(DialogRequest)
        /// A dialog was answered, by us or by somebody else.
        case dialogResolved(id: String)
        /// pi's answer to a command of ours, by the id that ``AgentConnection/send(_:)`` gave.
        case response(id: String, JSON)
        /// pi ended.
        case agentExit(JSON)
        /// A guard of the bridge acted.
        case guarded(JSON)
        /// The bridge refused a frame of ours, or a version 1 peer said something else.
        case refused(code: String, message: String)
        /// The connection is gone; the next attempt follows after the delay.
        case lost(reason: String, retryIn: Duration)
        /// Another frame: an answer of the bridge's own, or a kind this version does not know.
        case other(JSON)
    }

    /// What happened.
    public var kind: Kind
    /// pi's record, or the frame, as it came; `nil` where nothing came.
    public var raw: ByteBuffer?
}

/// The state of an agent at the moment a viewer joins (specs/protocol.md, section 3, session dialect).
public struct Welcome: Sendable {
    /// Identifies the run of the bridge: sequence numbers of another one mean nothing.
    public var boot: String?
    /// The number of the last event that is already part of the snapshot.
    public var currentSeq: Int
    /// Whether what was missed follows instead of a snapshot.
    public var isResumed: Bool
    /// pi's `get_state`, as far as the bridge passes it on.
    public var state: JSON
    /// The newest messages of the conversation.
    public var messages: [JSON]
    /// How many messages stand before them.
    public var earlierCount: Int
    /// The assistant message that is under way.
    public var partial: JSON?
    /// `tool_execution_start` records of tools that run, each followed by its newest update.
    public var runningTools: [JSON]
    /// Dialogs that wait for an answer.
    public var pending: [DialogRequest]
    /// How many prompts wait.
    public var queued: Int
    /// The prompts that wait, oldest first, as the bridge shows them (specs/protocol.md#queue).
    public var queue: [JSON]
    /// pi's slash commands; `nil` or empty where the bridge does not know them (yet).
    public var commands: [JSON]?

    /// A welcome from its frame.
    init(_ frame: JSON) {
        boot = frame["boot"]?.string
        currentSeq = frame["currentSeq"]?.int ?? 0
        isResumed = frame["resumed"]?.bool ?? false
        state = frame["sessionState"] ?? .null
        messages = frame["messages"]?.array ?? []
        earlierCount = max(0, (frame["totalMessages"]?.int ?? messages.count) - messages.count)
        partial = frame["partial"].flatMap { $0.object == nil ? nil : $0 }
        runningTools = frame["runningTools"]?.array ?? []
        pending = (frame["pending"]?.array ?? []).compactMap(DialogRequest.init)
        queued = frame["queued"]?.int ?? frame["queued"]?.array?.count ?? 0
        queue = frame["queue"]?.array ?? []
        commands = frame["commands"]?.array
    }

    /// Whether a guard has stopped the agent.
    public var isBlocked: Bool {
        state["activity"]?.string == Node.Activity.blocked.rawValue || state["blocked"]?.string != nil
    }

    /// Whether a run is under way.
    public var isBusy: Bool {
        switch state["activity"]?.string.map(Node.Activity.init(rawValue:)) {
        case .idle, .starting: return false
        case .working, .retrying, .compacting: return true
        case .inputRequired, .blocked, .stopping, .other, nil:
            let state = PiState(state)
            return state.isStreaming || state.isCompacting || partial != nil || !runningTools.isEmpty
        }
    }
}
