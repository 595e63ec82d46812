/// A bound on how long something may take.
public enum Deadline {
    /// Runs `body`, and cancels it when the time is over.
    ///
    /// - Parameters:
    ///   - limit: How long it may take; `nil`: as long as it takes.
    ///   - body: What is done.
    /// - Throws: ``AgentFault/timedOut(_:)``, or what `body` throws.
    public static func within(_ limit: Duration?, _ body: @escaping @Sendable () async throws -> Void) async throws {
        guard let limit else { return try await body() }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await body() }
            tasks.addTask {
                try await Task.sleep(for: limit)
                throw AgentFault.timedOut(limit)
            }
            defer { tasks.cancelAll() }
            try await tasks.next()
        }
    }
}
