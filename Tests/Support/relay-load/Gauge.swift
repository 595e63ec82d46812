import HypiTool
import Synchronization

/// How far all the relays are, together.
final class Gauge: Sendable {
    private struct State {
        var blockedCount = 0
        var finishedCount = 0
        var fault: String?
        var isOver = false
        var ends: [@Sendable () -> Void] = []
        var reads: [@Sendable () -> Void] = []
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let count: Int
    private let state = Mutex(State())

    init(count: Int) {
        self.count = count
    }

    // MARK: What the relays say

    func add(end: @escaping @Sendable () -> Void) {
        change { $0.ends.append(end) }
    }

    func onRead(_ read: @escaping @Sendable () -> Void) {
        change { $0.reads.append(read) }
    }

    /// An agent's end has met a full socket for the first time.
    func block() {
        change { $0.blockedCount += 1 }
    }

    /// A viewer has everything.
    func finish() {
        change { $0.finishedCount += 1 }
    }

    func fail(_ words: String) {
        change { if !$0.isOver { $0.fault = $0.fault ?? words } }
    }

    // MARK: What the measurement does

    /// Waits until no agent can send any more.
    func allBlocked() async throws(Failure) {
        let count = count
        try await wait { $0.blockedCount == count && $0.reads.count == count }
    }

    /// Lets every viewer read, and waits until each has everything.
    func readAll() async throws(Failure) {
        let (ends, reads) = state.withLock { ($0.ends, $0.reads) }
        for end in ends { end() }
        for read in reads { read() }
        let count = count
        try await wait { $0.finishedCount == count }
        change { $0.isOver = true }
    }

    private func wait(until isReached: @escaping @Sendable (State) -> Bool) async throws(Failure) {
        while true {
            let (isDone, fault) = state.withLock { (isReached($0), $0.fault) }
            if let fault { throw Failure(.failure, fault) }
            if isDone { return }
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if isReached(state) || state.fault != nil { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state in
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }
}
