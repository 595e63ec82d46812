import HypiTool
import HypiWire

/// Who starts agents: the hypivisor, or this program itself.
protocol Starter: Sendable {
    /// Starts what was ordered in a folder, or finds it there.
    ///
    /// - Returns: The agent's record.
    /// - Throws: Whatever kept it from starting, or from taking its first task.
    func start(in folder: String, _ order: SpawnOrder) async throws -> JSON
}

/// Starts agents in folders, several at once; one that fails does not stop the others.
struct Batch: Sendable {
    private let folders: FolderSource
    private let order: SpawnOrder
    private let jobs: Int
    private let limit: Duration?
    private let ledger = Ledger()

    /// A batch.
    ///
    /// - Parameters:
    ///   - folders: Where.
    ///   - order: What to start in each.
    ///   - jobs: How many at a time.
    ///   - limit: How long each may take; `nil`: any time.
    init(_ folders: FolderSource, _ order: SpawnOrder, jobs: Int, limit: Duration?) {
        self.folders = folders
        self.order = order
        self.jobs = jobs
        self.limit = limit
    }

    /// Starts them all.
    ///
    /// - Returns: Success if all were started, the failures' status if all failed alike, else 1.
    /// - Throws: `Failure` if standard input or output fails.
    func run(_ starter: some Starter) async throws -> ExitStatus {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            var running = 0
            for try await entry in folders {
                if running == jobs {
                    try await tasks.next()
                    running -= 1
                }
                tasks.addTask { try await serve(entry, starter) }
                running += 1
            }
            try await tasks.waitForAll()
        }
        return await ledger.status
    }

    private func serve(_ entry: FolderSource.Element, _ starter: some Starter) async throws {
        let folder: String
        switch entry {
        case .success(let path): folder = path
        case .failure(let failure): return await ledger.record(failure, of: "standard input")
        }
        do {
            try await ledger.record(try await timed { try await starter.start(in: folder, order) })
        } catch let failure as Failure where failure.status == .inputOutput {
            throw failure
        } catch {
            await ledger.record(Failure(error), of: folder)
        }
    }

    private func timed(_ body: @escaping @Sendable () async throws -> JSON) async throws -> JSON {
        guard let limit else { return try await body() }
        return try await withThrowingTaskGroup(of: JSON.self) { tasks in
            tasks.addTask(operation: body)
            tasks.addTask {
                try await Task.sleep(for: limit)
                throw Failure(.timedOut, "not usable after \(TimeSpan.words(limit))", hint: "see --timeout")
            }
            defer { tasks.cancelAll() }
            guard let record = try await tasks.next() else { throw CancellationError() }
            return record
        }
    }
}

/// Prints how each folder came out, whole lines one after the other.
private actor Ledger {
    private var succeeded = 0
    private var failures: [ExitStatus] = []

    var status: ExitStatus {
        guard let first = failures.first else { return .success }
        return succeeded == 0 && failures.allSatisfy { $0 == first } ? first : .failure
    }

    func record(_ record: JSON) throws(Failure) {
        succeeded += 1
        try StandardOutput.write(record: record)
    }

    func record(_ failure: Failure, of folder: String) {
        failures.append(failure.status)
        Diagnostic.print("hypi-spawn", "\(folder): \(failure.line)")
    }
}
