import HypiNet

/// An agent that comes, stays for a moment and leaves: each second one with a word, the others without.
struct Visit: Sendable {
    /// How long a guest stays.
    private static let stay = Duration.seconds(3)

    let number: Int
    let site: Site
    /// When it is to come.
    let due: ContinuousClock.Instant

    private var id: String { "guest-\(number)" }
    private var isPolite: Bool { number % 2 == 0 }

    /// Writes down what has to be said about it.
    func enter(into truth: inout Ledger) {
        truth.enter(.joined, id)
        if !isPolite { truth.enter(.offline, id) }
        truth.enter(.removed, id)
    }

    /// - Returns: How late it was registered.
    func run() async throws -> Duration {
        let agent = LoadAgent(id: id, port: 20_000 + number % 40_000)
        agent.start(try await site.connect(query: "role=agent"))
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await agent.run() }
            try await agent.register()
            let delay = ContinuousClock.now - due
            // The visit itself.
            try await Task.sleep(for: Self.stay)
            try await agent.leave(politely: isPolite)
            try await tasks.waitForAll()
            return delay
        }
    }
}
