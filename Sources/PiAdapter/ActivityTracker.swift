public import HypiWire
import NIOCore

/// Derives from pi's records what the agent is doing.
///
/// Idle means `agent_settled` where pi has it (0.84 and later, told by `willRetry` in `agent_end`), else `agent_end`.
/// A run can also end without either: a new session, a switch and a compaction cut it off, and their answers are the
/// only sign. Pure: records in, an activity out.
public struct ActivityTracker: Sendable {
    /// Whether pi has answered anything: before that it reads no commands, and no dialog can be answered.
    public private(set) var hasAnswered = false
    private var isRunning = false
    /// `agent_end` came with the promise of `agent_settled`.
    private var awaitsSettled = false
    private var isRetrying = false
    private var isCompacting = false
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
        return isRunning ? .working : .idle
    }

    /// Whether a run is under way: a prompt sent now would be queued.
    public var isBusy: Bool {
        isRunning || isRetrying
    }

    /// Whether nothing runs and nothing waits.
    public var isAtRest: Bool {
        !isRunning && !isRetrying && !isCompacting && openDialogs == 0
    }

    /// Takes the next record.
    public mutating func apply(_ record: PiRecord) {
        switch record.kind {
        case .agentStart:
            isRunning = true
            isRetrying = false
            awaitsSettled = false
        case .agentEnd:
            // With `willRetry` present, whatever its value, `agent_settled` has the last word.
            awaitsSettled = record.value(of: "willRetry") != nil
            isRunning = awaitsSettled
        case .agentSettled: endRun()
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
        // Between a failed attempt and the next one, and before `agent_settled`, pi does not stream and is not done
        // either.
        if !isRetrying && !awaitsSettled { isRunning = isStreaming }
        self.isCompacting = isCompacting
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
        isRunning = false
        isRetrying = false
        awaitsSettled = false
    }
}
