import NIOCore

extension EventLoopFuture where Value: Sendable {
    /// The value, or `CancellationError` as soon as the task is cancelled, however long the future still takes.
    ///
    /// What the future stands for goes on: whoever gives up has to see to it.
    func unlessCancelled() async throws -> Value {
        // Completed by whichever comes first; a promise takes no notice of the second.
        let promise = eventLoop.makePromise(of: Value.self)
        cascade(to: promise)
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
        }
    }
}
