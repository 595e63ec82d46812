public import HypiWire
public import PiAdapter

/// Tells from pi's records when a run begins and when it may be over.
///
/// A pi that has said `agent_settled` says it after every run. Of any other one, `agent_end` may be followed by a retry or a
/// compaction a moment later, so it is only a reason to ask: `get_state`, whose answer comes after whatever pi said in
/// between.
public struct RunWatch: Sendable {
    /// What a record means for the run.
    public enum Signal: Sendable, Equatable {
        /// It goes on.
        case running
        /// It may be over: ask.
        case maybeOver
        /// It is over.
        case over
    }

    /// Whether a run is under way.
    public private(set) var isRunning: Bool
    /// Whether a failed request will be tried again.
    public private(set) var isRetrying = false
    /// Whether the conversation is being summarised.
    public private(set) var isCompacting = false

    /// Whether this pi has said `agent_settled`; that `agent_end` has `willRetry` does not promise it (pi 0.75 to 0.80).
    private var hasShownSettled = false

    /// A watch that begins at some moment.
    public init(isRunning: Bool = false) {
        self.isRunning = isRunning
    }

    /// Takes the next record.
    ///
    /// - Returns: What it means; `nil` if it means nothing for the run.
    public mutating func apply(_ kind: PiRecord.Kind, _ record: JSON) -> Signal? {
        switch kind {
        case .agentStart:
            isRunning = true
            isRetrying = false
            return .running
        case .agentEnd:
            if hasShownSettled, record["willRetry"] != nil { return nil }
            isRunning = false
            return .maybeOver
        case .agentSettled:
            self = RunWatch()
            hasShownSettled = true
            return .over
        case .retryStart:
            isRetrying = true
            return .running
        case .retryEnd:
            isRetrying = false
            return isRunning ? nil : .maybeOver
        case .compactionStart, .autoCompactionStart:
            isCompacting = true
            return .running
        case .compactionEnd, .autoCompactionEnd:
            isCompacting = false
            return isRunning || record["willRetry"]?.bool == true ? nil : .maybeOver
        default: return nil
        }
    }

    /// Takes pi's `get_state`.
    ///
    /// - Returns: Whether nothing is under way.
    public mutating func confirm(_ state: PiState) -> Bool {
        // Between a failed attempt and the next one pi says it does not stream, and is not done either.
        guard !isRetrying else { return false }
        isRunning = state.isStreaming
        isCompacting = state.isCompacting
        return !isRunning && !isCompacting
    }
}
