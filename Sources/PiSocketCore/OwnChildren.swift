import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The children this process started itself, so that they are not taken for orphans.
///
/// A lock, because processes are started from tasks and orphans are looked for on the loop.
final class OwnChildren: Sendable {
    private struct State {
        /// Children that are being started and have no pid yet.
        var unnamed = 0
        var pids: Set<pid_t> = []
    }

    private let state = NIOLockedValueBox(State())

    /// A child is about to be started.
    func willStart() {
        state.withLockedValue { $0.unnamed += 1 }
    }

    /// It has a pid.
    func started(_ pid: pid_t) {
        state.withLockedValue { state in
            state.unnamed -= 1
            state.pids.insert(pid)
        }
    }

    /// It was not started after all.
    func didNotStart() {
        state.withLockedValue { $0.unnamed -= 1 }
    }

    /// It has ended and was waited for.
    func ended(_ pid: pid_t) {
        state.withLockedValue { _ = $0.pids.remove(pid) }
    }

    /// The pids; `nil` while one is missing, when nothing may be taken for an orphan.
    var known: Set<pid_t>? {
        state.withLockedValue { $0.unnamed == 0 ? $0.pids : nil }
    }
}
