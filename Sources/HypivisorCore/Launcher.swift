import HypiWire
import NIOCore
import Subprocess

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Runs `pi-socket --detach` and takes the ready line from it.
///
/// What it runs is not the agent but what starts the agent: it ends by itself, in a session of its own, with none of our
/// descriptors. The agent belongs to nobody and outlives us.
struct Launcher: Sendable {
    /// The line that says that an agent is ready.
    struct Ready: Sendable {
        var id: String
        var pid: Int?
    }

    /// The program and its first arguments.
    let command: [String]
    /// All its environment.
    let environment: [String: String]
    /// How long it may take.
    let limit: Duration

    /// The most of the launcher's output that is looked at.
    private static let outputBytes = 64 << 10
    /// How long it has to tidy up when it takes too long.
    private static let patience = Duration.seconds(1)

    /// Starts an agent.
    ///
    /// - Parameters:
    ///   - arguments: The options behind the command.
    ///   - folder: The launcher's working directory.
    /// - Returns: What the ready line says.
    /// - Throws: ``RegistryFault`` with code `spawn_failed`, in the launcher's own last words where it had any.
    func start(_ arguments: [String], in folder: String) async throws(RegistryFault) -> Ready {
        let outcome: Outcome
        do {
            outcome = try await race(arguments, folder)
        } catch let fault as RegistryFault {
            throw fault
        } catch let error as SubprocessError {
            throw RegistryFault(.spawnFailed, "cannot run \(command[0]): \(Self.reason(error))")
        } catch {
            throw RegistryFault(.spawnFailed, "the agent was not started: \(error)")
        }
        if let ready = outcome.ready { return ready }
        throw RegistryFault(.spawnFailed, "the agent did not start: \(outcome.lastWords) (\(outcome.end))")
    }

    private struct Outcome: Sendable {
        var ready: Ready?
        var lastWords: String
        var end: String
    }

    private func race(_ arguments: [String], _ folder: String) async throws -> Outcome {
        let limit = limit
        return try await withThrowingTaskGroup(of: Outcome.self) { tasks in
            tasks.addTask { try await run(arguments, folder) }
            tasks.addTask {
                // The limit itself; cancelled when the launcher has answered.
                try await Task.sleep(for: limit)
                throw RegistryFault(.spawnFailed, "the agent was not ready within \(limit.components.seconds) s")
            }
            // Whoever is first; the launcher is told to end if it is the clock.
            defer { tasks.cancelAll() }
            guard let outcome = try await tasks.next() else { throw CancellationError() }
            return outcome
        }
    }

    private func run(_ arguments: [String], _ folder: String) async throws -> Outcome {
        var options = PlatformOptions()
        options.createSession = true
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: Self.patience)]
        let executable: Executable = command[0].contains("/") ? .path(FilePath(command[0])) : .name(command[0])
        let variables = environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }
        let result = try await Subprocess.run(
            executable, arguments: Arguments(Array(command.dropFirst()) + arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: variables)), workingDirectory: FilePath(folder),
            platformOptions: options,
            input: .none, output: .sequence, error: .sequence
        ) { execution -> (Ready?, [UInt8]) in
            async let words = Self.tail(of: execution.standardError)
            if let ready = try await Self.ready(in: execution.standardOutput) { return (ready, [UInt8]()) }
            return (nil, try await words)
        }
        let (ready, words) = result.closureResult
        return Outcome(ready: ready, lastWords: Self.lastLine(words), end: Self.words(result.terminationStatus))
    }

    /// The ready line among what the launcher says, as soon as it is there; the rest is for people.
    private static func ready(in output: SubprocessOutputSequence) async throws -> Ready? {
        var splitter = RecordSplitter(limit: outputBytes)
        for try await buffer in output {
            splitter.append(buffer.withUnsafeBytes { ByteBuffer(bytes: $0) })
            while let output = splitter.next() {
                if case .record(let record) = output, let ready = ready(record) { return ready }
            }
        }
        return nil
    }

    private static func ready(_ record: ByteBuffer) -> Ready? {
        guard let json = try? JSON(parsing: record), json["event"]?.string == "ready" else { return nil }
        return json["id"]?.string.map { Ready(id: $0, pid: json["pid"]?.int) }
    }

    /// The last of what a stream brings, read to its end.
    private static func tail(of stream: SubprocessOutputSequence) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await buffer in stream {
            buffer.withUnsafeBytes { bytes.append(contentsOf: $0) }
            if bytes.count > outputBytes { bytes.removeFirst(bytes.count - outputBytes) }
        }
        return bytes
    }

    private static func lastLine(_ bytes: [UInt8]) -> String {
        let line = bytes.split(separator: UInt8(ascii: "\n")).last.map {
            String(decoding: $0, as: UTF8.self).withoutControlCharacters
        }
        return line ?? "it said nothing"
    }

    private static func words(_ status: TerminationStatus) -> String {
        switch status {
        case .exited(let code): "exit status \(code)"
        case .signaled(let signal): "signal \(signal)"
        }
    }

    private static func reason(_ error: SubprocessError) -> String {
        if let code = error.underlyingError?.rawValue { return String(cString: strerror(code)).lowercased() }
        return error.code == .executableNotFound ? "not found" : error.description
    }
}
