import NIOConcurrencyHelpers

/// What a descriptor has brought so far, for tasks that wait for a part of it.
public final class Transcript: Sendable {
    private struct Waiter {
        var id: Int
        var isSatisfied: @Sendable ([UInt8], Bool) -> Bool
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var bytes: [UInt8] = []
        var hasEnded = false
        var waiters: [Waiter] = []
        var nextID = 0
    }

    private let state = NIOLockedValueBox(State())

    /// Nothing yet.
    public init() {}

    /// Everything so far.
    public var bytes: [UInt8] {
        state.withLockedValue { $0.bytes }
    }

    /// Everything so far, as text.
    public var text: String {
        String(decoding: bytes, as: UTF8.self)
    }

    func append(_ new: some Sequence<UInt8>) {
        wake { $0.bytes.append(contentsOf: new) }
    }

    func end() {
        wake { $0.hasEnded = true }
    }

    private func wake(_ change: (inout State) -> Void) {
        let ready = state.withLockedValue { state -> [Waiter] in
            change(&state)
            let ready = state.waiters.filter { $0.isSatisfied(state.bytes, state.hasEnded) }
            state.waiters.removeAll { waiter in ready.contains { $0.id == waiter.id } }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }

    /// Waits until the predicate holds for what is there (and for whether it has ended).
    public func wait(
        _ what: String, timeout: Duration = .seconds(20),
        until isSatisfied: @escaping @Sendable ([UInt8], Bool) -> Bool
    ) async throws {
        try await within(timeout, "\(what); there is: \(self.text.suffix(2000))") {
            try await self.wait(isSatisfied)
        }
    }

    private func wait(_ isSatisfied: @escaping @Sendable ([UInt8], Bool) -> Bool) async throws {
        let id = state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isReady = state.withLockedValue { state in
                    if Task.isCancelled || isSatisfied(state.bytes, state.hasEnded) { return true }
                    state.waiters.append(Waiter(id: id, isSatisfied: isSatisfied, continuation: continuation))
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLockedValue { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }
}
