import NIOCore

/// One timer for the next instant at which a node may be due; nothing is polled.
///
/// It belongs to the registry's loop. It may fire early, because leases are only ever prolonged without telling it;
/// then nothing is due and it is set anew.
final class NodeExpiry {
    private let eventLoop: any EventLoop
    private let fire: @Sendable () -> Void
    private var timer: Scheduled<Void>?
    private var deadline: NIODeadline?

    /// A timer that is not set.
    ///
    /// - Parameters:
    ///   - eventLoop: The registry's loop.
    ///   - fire: What happens when it is due; called on the loop.
    init(eventLoop: any EventLoop, fire: @escaping @Sendable () -> Void) {
        self.eventLoop = eventLoop
        self.fire = fire
    }

    /// Makes sure that the timer fires at `instant` or before.
    func ensure(by instant: NIODeadline) {
        if let deadline, deadline <= instant { return }
        set(instant)
    }

    /// Sets the timer; `nil` when nothing will ever be due.
    func set(_ instant: NIODeadline?) {
        timer?.cancel()
        deadline = instant
        timer = instant.map { eventLoop.scheduleTask(deadline: $0, fire) }
    }
}
