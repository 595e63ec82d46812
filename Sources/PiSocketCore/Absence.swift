import Logging
import NIOConcurrencyHelpers

/// The time between the loss of a registration and the next: how long the next attempt waits.
///
/// A backoff bounds what a thousand agents ask of a hypivisor that is down. One that announces itself on this machine is
/// not down any more, so that the wait is over then, but for a moment that keeps the thousand apart.
final class Absence: Sendable {
    /// Hears of announcements from now on; what it returns ends that.
    typealias Watch = @Sendable (_ announced: @escaping @Sendable () -> Void) async throws -> @Sendable () -> Void

    /// Over how long agents that hear of one announcement spread.
    private static let spread = Duration.milliseconds(100)

    private struct State {
        var isAnnounced = false
        var waiter: CheckedContinuation<Void, Never>?
        var stop: (@Sendable () -> Void)?
    }

    private let watch: Watch?
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    /// An absence that has not begun.
    ///
    /// - Parameters:
    ///   - watch: Hears of announcements; `nil` where nothing does.
    ///   - logger: For why nothing is heard.
    init(watch: Watch?, logger: Logger) {
        self.watch = watch
        self.logger = logger
    }

    /// There is no registration: announcements count from now on.
    ///
    /// To be called before the next attempt looks for a hypivisor, so that no announcement falls between.
    func begin() async {
        guard let watch, state.withLockedValue({ $0.stop == nil }) else { return }
        do {
            let stop = try await watch { self.announced() }
            state.withLockedValue { $0.stop = stop }
        } catch {
            // The backoff alone brings us back, only later.
            logger.debug("announcements are not heard: \(error)")
        }
    }

    /// There is a registration again, or nobody wants one.
    func end() {
        let stop = state.withLockedValue { state in
            defer { (state.stop, state.isAnnounced) = (nil, false) }
            return state.stop
        }
        stop?()
    }

    /// Waits for an announcement, or for the delay where none comes.
    ///
    /// - Returns: Whether there was one.
    /// - Throws: `CancellationError`.
    func wait(_ delay: Duration) async throws -> Bool {
        let isAnnounced = try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                // The backoff between two attempts.
                try await Task.sleep(for: delay)
                return false
            }
            tasks.addTask {
                await self.announcement()
                try Task.checkCancellation()
                return true
            }
            defer { tasks.cancelAll() }
            return try await tasks.next() ?? false
        }
        state.withLockedValue { $0.isAnnounced = false }
        // Drawn by lot, so that all agents of a machine do not knock in the same millisecond.
        if isAnnounced { try await Task.sleep(for: min(delay, Self.spread) * Double.random(in: 0...1)) }
        return isAnnounced
    }

    private func announced() {
        change { $0.isAnnounced = true }
    }

    /// Returns when there was an announcement, or when the task is cancelled.
    private func announcement() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLockedValue { state in
                    if state.isAnnounced || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            change { _ in }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLockedValue { state in
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
