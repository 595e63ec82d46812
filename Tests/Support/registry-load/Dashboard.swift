import HypiNet
import HypiWire
import Synchronization

/// Somebody who looks on and writes down what is said about each agent.
final class Dashboard: Sendable {
    private struct State {
        var ledger = Ledger()
        var goal: Int?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let client: RegistryClient
    private let state = Mutex(State())
    private let isLeaving = Atomic(false)

    init(_ client: RegistryClient) {
        self.client = client
    }

    /// What has been said so far.
    var ledger: Ledger { state.withLock { $0.ledger } }

    /// Reads until ``close()``; an end before that is a failure.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                do {
                    try await self.client.run()
                } catch  where self.isLeaving.load(ordering: .acquiring) {
                    return
                }
            }
            for await event in client.events { take(event.event) }
            try await tasks.waitForAll()
        }
    }

    /// Waits until so many events have come.
    func wait(for count: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.ledger.eventCount >= count || Task.isCancelled { return true }
                    (state.goal, state.waiter) = (count, continuation)
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            release { _ in true }?.resume()
        }
    }

    func close() {
        isLeaving.store(true, ordering: .releasing)
        Task { await client.close() }
    }

    private func take(_ event: RegistryEvent) {
        let waiter = release { state in
            switch event {
            case .nodeJoined(let node): state.ledger.enter(.joined, node.id)
            case .nodeUpdated(let node): state.ledger.enter(.updated, node.id)
            case .nodeOffline(let id): state.ledger.enter(.offline, id)
            case .nodeRemoved(let id): state.ledger.enter(.removed, id)
            // Nobody was there when it came.
            case .initial, .openTunnel, .stopAgent: break
            }
            return state.goal.map { state.ledger.eventCount >= $0 } ?? false
        }
        waiter?.resume()
    }

    private func release(if isDone: (inout State) -> Bool) -> CheckedContinuation<Void, Never>? {
        state.withLock { state in
            guard isDone(&state) else { return nil }
            defer { (state.goal, state.waiter) = (nil, nil) }
            return state.waiter
        }
    }
}
