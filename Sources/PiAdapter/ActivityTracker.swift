public import HypiWire
import NIOCore

/// Derives from pi's records what the agent is doing.
///
/// Idle means `agent_settled` from a pi that has shown it. From any other one, and in the first run, it means an
/// `agent_end` after which `get_state` says that nothing runs. (pi 0.75 to 0.80 puts `willRetry` into `agent_end` and never
/// settles.) A run can also end without either: a new session, a switch and a compaction cut it off, and their answers are
/// the only sign. Pure: records in, an activity out.
public struct ActivityTracker: Sendable {
    private enum Run: Equatable {
        case none
        case running
        /// `agent_end` came. This pi says `agent_settled`, or else `get_state` has to confirm that nothing follows.
        case ending(awaitsSettled: Bool)
    }

    /// Whether pi has answered anything: before that it reads no commands, and no dialog can be answered.
    public private(set) var hasAnswered = false
    /// Whether the conversation is being summarised.
    public private(set) var isCompacting = false
    private var run = Run.none
    /// Whether this pi has ever said `agent_settled`.
    private var hasShownSettled = false
    private var isRetrying = false
    /// The request for a summary failed.
    private var isRetryingSummary = false
    private var isBlocked = false
    private var openDialogs = 0

    /// pi was started and has not answered.
    public init() {}

    /// What the agent does.
    public var activity: Node.Activity {
        if isBlocked { return .blocked }
        if !hasAnswered { return .starting }
        if openDialogs > 0 { return .inputRequired }
        if isCompacting { return isRetryingSummary ? .retrying : .compacting }
        if isRetrying { return .retrying }
        return run == .none ? .idle : .working
    }

    /// Whether a run is under way: a prompt sent now would be queued.
    public var isBusy: Bool {
        run != .none || isRetrying
    }

    /// Whether nothing runs.
    public var isAtRest: Bool {
        !isBusy && !isCompacting
    }

    /// Whether the run seems to be over and only `get_state` can say so.
    public var needsConfirmation: Bool {
        run == .ending(awaitsSettled: false) && !isRetrying
    }

    /// Takes the next record.
    public mutating func apply(_ record: PiRecord) {
        switch record.kind {
        case .agentStart:
            run = .running
            isRetrying = false
        case .agentEnd:
            run = .ending(awaitsSettled: hasShownSettled && record.value(of: "willRetry") != nil)
        case .agentSettled:
            hasShownSettled = true
            endRun()
        case .retryStart: isRetrying = true
        case .retryEnd: isRetrying = false
        case .compactionStart, .autoCompactionStart:
            isCompacting = true
            isRetryingSummary = false
        case .summaryRetryStart: isRetryingSummary = true
        case .summaryRetryEnd: isRetryingSummary = false
        case .compactionEnd, .autoCompactionEnd: isCompacting = false
        default: break
        }
    }

    /// Takes pi's answer to a command.
    public mutating func answered(_ command: String, success: Bool) {
        hasAnswered = true
        switch command {
        case "compact":
            isCompacting = false
            if success { endRun() }
        case "new_session", "switch_session": if success { endRun() }
        default: break
        }
    }

    /// Takes what `get_state` says; it corrects whatever was missed.
    public mutating func corrected(isStreaming: Bool, isCompacting: Bool) {
        hasAnswered = true
        self.isCompacting = isCompacting
        // Between a failed attempt and the next one, and before `agent_settled`, pi does not stream and is not done
        // either.
        guard !isRetrying else { return }
        switch run {
        case .none: if isStreaming { run = .running }
        case .running, .ending(awaitsSettled: false): if !isStreaming { run = .none }
        case .ending(awaitsSettled: true): break
        }
    }

    /// A command went to pi that works in silence (`compact` before 0.84 has no events).
    public mutating func sent(_ command: String) {
        guard command == "compact" else { return }
        isCompacting = true
        isRetryingSummary = false
    }

    /// How many dialogs wait for a person.
    public mutating func setOpenDialogs(_ count: Int) {
        openDialogs = count
    }

    /// Whether a guard holds the agent back.
    public mutating func setBlocked(_ isBlocked: Bool) {
        self.isBlocked = isBlocked
    }

    private mutating func endRun() {
        run = .none
        isRetrying = false
    }
}
