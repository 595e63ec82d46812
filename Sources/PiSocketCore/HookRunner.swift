import CPlatform
import HypiWire
import Logging
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Runs the hook, one event after the other, each for ten seconds at most.
///
/// The event goes to its stdin as one JSON object and its kind into the environment. Whether a message reached a phone
/// is between the hook and its service: what we log is that the hook failed, never that something was delivered.
struct HookRunner: Sendable {
    /// One event for the hook.
    struct Event: Sendable {
        /// `ready`, `settled`, `input-required`, `error`, `guard` or `exit`.
        var name: String
        /// What goes to its stdin.
        var record: JSONObject
        /// The node at that time.
        var node: Node
    }

    /// Events that may wait for the hook; beyond it the newest are dropped and logged.
    static let queueLimit = 64

    let command: String
    let environment: [String: String]
    let children: OwnChildren
    let logger: Logger
    /// The time one event may take.
    var timeLimit = Duration.seconds(10)

    /// The variable that the command is in while the shell starts.
    private static let commandVariable = "HYPI_HOOK_COMMAND"
    /// Runs the command without showing it in `ps`, where every user of the machine may read it.
    private static let script = #"""
        hypi_hook=$HYPI_HOOK_COMMAND; unset HYPI_HOOK_COMMAND; eval "$hypi_hook"
        """#

    /// Runs the hook for every event until the queue ends.
    func run(_ events: AsyncStream<Event>) async {
        for await event in events { await run(event) }
    }

    private func run(_ event: Event) async {
        do {
            guard let status = try await runForAWhile(event) else {
                return logger.warning("hook did not end in \(timeLimit)", metadata: ["event": "\(event.name)"])
            }
            if !status.isSuccess { logger.warning("hook failed: \(status)", metadata: ["event": "\(event.name)"]) }
        } catch {
            logger.warning("hook could not run: \(error)", metadata: ["event": "\(event.name)"])
        }
    }

    /// How the hook ended; `nil` if it had to be ended.
    private func runForAWhile(_ event: Event) async throws -> TerminationStatus? {
        try await withThrowingTaskGroup(of: TerminationStatus?.self) { tasks in
            tasks.addTask { try await start(event) }
            tasks.addTask {
                // The limit itself; cancelled when the hook has ended.
                try await Task.sleep(for: timeLimit)
                return nil
            }
            let first = try await tasks.next() ?? nil
            tasks.cancelAll()
            return first
        }
    }

    private func start(_ event: Event) async throws -> TerminationStatus {
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .zero)]
        var record = event.record
        record["event"] = .string(event.name)
        record["node"] = event.node.json
        let input = try Self.file(holding: JSON.object(record).record)
        children.willStart()
        var isCounted = false
        defer { if !isCounted { children.didNotStart() } }
        let result = try await Subprocess.run(
            .path("/bin/sh"), arguments: ["-c", Self.script], environment: variables(event), platformOptions: options,
            input: .fileDescriptor(input, closeAfterSpawningProcess: true), output: .discarded, error: .discarded
        ) { execution in
            isCounted = true
            children.started(execution.processIdentifier.value)
        }
        children.ended(result.processIdentifier.value)
        return result.terminationStatus
    }

    /// A file without a name, to be read from its start.
    ///
    /// Not a pipe: a hook that ends without reading would leave us with an event that cannot be written, which
    /// swift-subprocess ends the whole process for.
    private static func file(holding bytes: [UInt8]) throws -> FileDescriptor {
        let number = hypi_unnamed_file()
        guard number >= 0 else { throw Errno(rawValue: errno) }
        let file = FileDescriptor(rawValue: number)
        do {
            try file.writeAll(bytes)
            try file.seek(offset: 0, from: .start)
            return file
        } catch {
            try? file.close()
            throw error
        }
    }

    private func variables(_ event: Event) -> Environment {
        // Peers choose names, and hooks pass them on to programs that draw on screens; the record has them unchanged.
        var own = [
            "HYPI_EVENT": event.name, "HYPI_ID": event.node.id, "HYPI_NAME": event.node.name ?? event.node.id,
            "HYPI_CWD": event.node.cwd, "HYPI_MACHINE": event.node.machine,
        ].mapValues(\.withoutControlCharacters)
        // The command itself is the user's own text.
        own[Self.commandVariable] = command
        var variables: [Environment.Key: String] = [:]
        for (name, value) in environment.merging(own, uniquingKeysWith: { $1 }) {
            if let key = Environment.Key(rawValue: name) { variables[key] = value }
        }
        return .custom(variables)
    }
}
