import HypiNet
import HypiTool
import HypiWire

/// The roster while agents are being started, for those that wait for one of them.
actor Arrivals {
    private struct Waiter {
        var isSatisfied: @Sendable (Roster) -> Bool
        var continuation: CheckedContinuation<Void, any Error>
    }

    private var roster = Roster()
    private var hasList = false
    private var hasEnded = false
    private var nextID = 0
    private var waiters: [Int: Waiter] = [:]

    /// Takes events in until the connection ends.
    func run(_ events: AsyncStream<RegistryClient.Event>) async {
        for await event in events {
            if case .initial(let nodes, _) = event.event {
                _ = roster.replace(with: nodes)
                hasList = true
            } else {
                _ = roster.apply(event.event, cursor: nil)
            }
            wake()
        }
        hasEnded = true
        wake()
    }

    /// All agents, once there is a list.
    ///
    /// - Throws: `ConnectionLost`, or `CancellationError`.
    func nodes() async throws -> [Node] {
        try await wait { _ in true }
        return roster.nodes
    }

    /// The first agent that meets a condition, now or later.
    ///
    /// - Throws: `ConnectionLost`, or `CancellationError`.
    func node(where isMeant: @escaping @Sendable (Node) -> Bool) async throws -> Node {
        while true {
            try await wait { $0.nodes.contains(where: isMeant) }
            if let node = roster.nodes.first(where: isMeant) { return node }
        }
    }

    private func wait(_ isSatisfied: @escaping @Sendable (Roster) -> Bool) async throws {
        let id = nextID
        nextID += 1
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiters[id] = Waiter(isSatisfied: isSatisfied, continuation: continuation)
                if Task.isCancelled { cancel(id) } else { wake() }
            }
        } onCancel: {
            Task { await self.cancel(id) }
        }
    }

    private func wake() {
        for (id, waiter) in waiters where hasEnded || (hasList && waiter.isSatisfied(roster)) {
            waiters[id] = nil
            if hasEnded {
                waiter.continuation.resume(throwing: MessageStream.ConnectionLost(closure: Closure(code: .abnormal)))
            } else {
                waiter.continuation.resume()
            }
        }
    }

    private func cancel(_ id: Int) {
        waiters.removeValue(forKey: id)?.continuation.resume(throwing: CancellationError())
    }
}
