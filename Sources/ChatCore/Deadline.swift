/// A bound on how long something may take.
public enum Deadline {
    /// Runs `body`, and cancels it when the time is over.
    ///
    /// - Parameters:
    ///   - limit: How long it may take; `nil`: as long as it takes.
    ///   - body: What is done.
    /// - Returns: What `body` returns.
    /// - Throws: ``AgentFault/timedOut(_:)``, or what `body` throws.
    public static func within<Value: Sendable>(
        _ limit: Duration?, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard let limit else { return try await body() }
        return try await withThrowingTaskGroup(of: Value.self) { tasks in
            tasks.addTask { try await body() }
            tasks.addTask {
                // The limit itself; cancelled when the body ends first.
                try await Task.sleep(for: limit)
                throw AgentFault.timedOut(limit)
            }
            defer { tasks.cancelAll() }
            // The group has two tasks, one of which comes first.
            guard let value = try await tasks.next() else { throw AgentFault.timedOut(limit) }
            return value
        }
    }
}
