import HypiWire
import NIOCore

/// The two limits of time that follow from what the agent does: `--max-turn` and `--idle-exit`.
///
/// It belongs to the bridge's loop.
final class ActivityTimers {
    private let maxTurn: Duration?
    private let idleExit: Duration?
    private let eventLoop: any EventLoop
    private var turn: Scheduled<Void>?
    private var idle: Scheduled<Void>?
    /// Called when a run has taken longer than it may.
    var turnIsTooLong: (Duration) -> Void = { _ in }
    /// Called when nobody has watched and nothing has run for so long that the bridge is to end.
    var isIdleForLong: () -> Void = {}

    init(maxTurn: Duration?, idleExit: Duration?, on eventLoop: any EventLoop) {
        self.maxTurn = maxTurn
        self.idleExit = idleExit
        self.eventLoop = eventLoop
    }

    /// What the agent does or who watches it may have changed.
    func update(_ activity: Node.Activity, viewerCount: Int) {
        watchTurn(activity)
        guard activity == .idle, viewerCount == 0, let idleExit else {
            idle?.cancel()
            idle = nil
            return
        }
        if idle == nil { idle = schedule(in: idleExit) { $0.isIdleForLong() } }
    }

    /// A run has ended; what the agent does now belongs to the next one.
    func turnEnded(_ activity: Node.Activity) {
        turn?.cancel()
        turn = nil
        watchTurn(activity)
    }

    private func watchTurn(_ activity: Node.Activity) {
        switch activity {
        case .idle, .starting, .blocked, .stopping, .other:
            turn?.cancel()
            turn = nil
        // Retries, compactions and dialogs in its middle belong to the run.
        case .working, .retrying, .compacting, .inputRequired:
            if turn == nil, let maxTurn { turn = schedule(in: maxTurn) { $0.turnIsTooLong(maxTurn) } }
        }
    }

    private func schedule(in time: Duration, _ action: @escaping (ActivityTimers) -> Void) -> Scheduled<Void> {
        eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { action(self) }
    }

    /// The bridge ends.
    func cancel() {
        turn?.cancel()
        idle?.cancel()
    }
}
