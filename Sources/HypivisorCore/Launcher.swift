import HypiWire
import NIOCore
import NIOPosix

/// Runs `pi-socket --detach` and takes the ready line from it.
///
/// What it runs is not the agent but what starts the agent: it ends by itself, in a session of its own, with none of our
/// descriptors. The agent belongs to nobody and outlives us.
struct Launcher: Sendable {
    /// The line that says that an agent is ready.
    struct Ready: Sendable {
        var id: String
        var pid: Int?

        init?(_ record: ByteBuffer) {
            guard let json = try? JSON(parsing: record), json["event"]?.string == "ready",
                let id = json["id"]?.string
            else { return nil }
            self.id = id
            pid = json["pid"]?.int
        }
    }

    /// The program and its first arguments.
    let command: [String]
    /// All its environment.
    let environment: [String: String]
    /// How long it may take.
    let limit: Duration

    /// Starts an agent.
    ///
    /// - Parameters:
    ///   - arguments: The options after the command.
    ///   - variables: What is added to the environment.
    ///   - folder: Where the launcher, and with it the agent, begins; its path is in `PWD`.
    /// - Returns: What the ready line says.
    /// - Throws: ``RegistryFault`` with code `spawn_failed`, with the last line that the launcher printed.
    func start(
        _ arguments: [String], _ variables: [String: String] = [:], in folder: Folder
    ) async throws(RegistryFault) -> Ready {
        let process: LauncherProcess
        do throws(SystemFault) {
            let environment = environment.merging(variables) { $1 }.merging(["PWD": folder.path]) { $1 }
            process = try LauncherProcess(
                command[0], command.dropFirst() + arguments, environment, in: folder)
        } catch {
            throw RegistryFault(.spawnFailed, "cannot run \(command[0]): \(error.reason)")
        }
        let outcome = await watch(process)
        if let ready = outcome.ready { return ready }
        guard !outcome.isLate else {
            throw RegistryFault(.spawnFailed, "the agent was not ready within \(limit.components.seconds) s")
        }
        // pi-socket's status for a session that another agent works on (EX_TEMPFAIL); its line names that agent.
        guard outcome.status != 75 << 8 else { throw RegistryFault(.sessionInUse, Self.lastLine(outcome.errors)) }
        throw RegistryFault(
            .spawnFailed, "the agent did not start: \(Self.lastLine(outcome.errors)) (\(Self.words(outcome.status)))")
    }

    /// Waits on a thread of its own, so that a launcher that takes its time holds up nobody else.
    private func watch(_ process: LauncherProcess) async -> LauncherProcess.Outcome {
        let deadline = ContinuousClock.now + limit
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                thread.submit { _ in continuation.resume(returning: process.wait(until: deadline)) }
            }
        } onCancel: {
            process.stop()
        }
        // Fails only for a pool that was shut down already.
        try? await thread.shutdownGracefully()
        return outcome
    }

    private static func lastLine(_ bytes: [UInt8]) -> String {
        let line = bytes.split(separator: UInt8(ascii: "\n")).last.map {
            String(decoding: $0, as: UTF8.self).withoutControlCharacters
        }
        return line ?? "it said nothing"
    }

    /// What a status of wait(2) says; WIFEXITED and its kin are macros, which Swift does not import.
    private static func words(_ status: CInt) -> String {
        let signal = status & 0x7F
        return signal == 0 ? "exit status \(status >> 8 & 0xFF)" : "signal \(signal)"
    }
}
