/// Something that a test waited for did not come.
public struct DeadlinePassed: Error, CustomStringConvertible {
    /// What was waited for, and what was there instead.
    public let description: String

    /// A deadline that passed.
    public init(_ description: String) {
        self.description = description
    }
}

/// Runs `body` and gives up after a time, times ``Effort/patience``; a test never waits for ever, and never longer than
/// it must.
public func within<Value: Sendable>(
    _ limit: Duration, _ what: @autoclosure @escaping @Sendable () -> String,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { tasks in
        tasks.addTask { try await body() }
        tasks.addTask {
            // The limit itself; cancelled when the body ends first.
            try await Task.sleep(for: limit * Effort.patience)
            throw DeadlinePassed("not within \(limit): \(what())")
        }
        defer { tasks.cancelAll() }
        guard let value = try await tasks.next() else { throw DeadlinePassed(what()) }
        return value
    }
}
