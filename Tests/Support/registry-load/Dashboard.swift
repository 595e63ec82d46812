import HypiNet
import HypiWire
import Synchronization

/// Somebody who looks on: keeps the roster from `init` and the events behind it.
final class Dashboard: Sendable {
    private struct State {
        var active: Set<String> = []
        var eventCount = 0
        var goal: Set<String>?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let client: RegistryClient
    private let state = Mutex(State())
    private let isLeaving = Atomic(false)

    init(_ client: RegistryClient) {
        self.client = client
    }

    /// How many events came.
    var eventCount: Int { state.withLock { $0.eventCount } }

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

    /// Waits until exactly these agents are active.
    func wait(for ids: Set<String>) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.active == ids || Task.isCancelled { return true }
                    (state.goal, state.waiter) = (ids, continuation)
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
            state.eventCount += 1
            switch event {
            case .initial(let nodes, _): state.active = Set(nodes.filter { $0.status == .active }.map(\.id))
            case .nodeJoined(let node): state.active.insert(node.id)
            case .nodeOffline(let id), .nodeRemoved(let id): state.active.remove(id)
            default: break
            }
            guard let goal = state.goal else { return false }
            return goal.count == state.active.count && goal == state.active
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
