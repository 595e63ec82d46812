/// Decides when a quiet peer is pinged and when it is given up.
///
/// Any traffic counts as a sign of life. A peer that was quiet for one interval is pinged; one that stays quiet for two
/// more is given up. A pure state machine: the caller brings the clock.
struct Heartbeat {
    /// What to do at the end of an interval.
    enum Action: Equatable {
        /// The peer was heard: nothing.
        case rest
        /// The peer was quiet: ask.
        case ping
        /// It did not answer twice.
        case giveUp
    }

    private var wasHeard = false
    private var unanswered = 0

    /// Anything came in.
    mutating func sawPeer() {
        wasHeard = true
    }

    /// An interval is over.
    mutating func beat() -> Action {
        defer { wasHeard = false }
        if wasHeard {
            unanswered = 0
            return .rest
        }
        guard unanswered < 2 else { return .giveUp }
        unanswered += 1
        return .ping
    }
}
