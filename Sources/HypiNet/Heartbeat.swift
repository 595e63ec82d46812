import NIOCore

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

/// Beats on a loop: runs a ``Heartbeat`` by its clock, until it is stopped.
///
/// Every connection's pings carry bytes of their own, so that a relay can tell the answers to its pings from the
/// answers to pings that it passed on.
final class Pulse {
    /// What is in our pings, and in the pongs that answer them.
    let payload: ByteBuffer
    private let interval: TimeAmount?
    private let eventLoop: any EventLoop
    private var heartbeat = Heartbeat()
    private var timer: Scheduled<Void>?

    /// A pulse that has not been started; `nil` for the interval means that it never beats.
    init(interval: TimeAmount?, eventLoop: any EventLoop) {
        self.interval = interval
        self.eventLoop = eventLoop
        payload = ByteBuffer(integer: UInt64.random(in: .min ... .max))
    }

    /// Any sign of life.
    func sawPeer() {
        heartbeat.sawPeer()
    }

    /// Beats from now on; `beat` is called at the end of every interval and decides what the peer's silence means.
    func start(_ beat: @escaping () -> Void) {
        guard let interval else { return }
        timer = eventLoop.assumeIsolated().scheduleTask(in: interval) {
            self.timer = nil
            self.start(beat)
            beat()
        }
    }

    /// What to do at the end of an interval.
    func next() -> Heartbeat.Action {
        heartbeat.beat()
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }
}
