import CPlatform
import Dispatch

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A shell command running in a session of its own, so that a signal to our group does not reach it, as with pi's tools.
///
/// posix_spawn rather than swift-subprocess: a command ends when its shell ends, even if something it left in the
/// background still holds the pipe, and swift-subprocess ends with the last holder of its output.
struct Shell: Sendable {
    enum Ending: Sendable, Equatable {
        case exited(Int32)
        case signalled(Int32)
        case aborted
    }

    /// The shell's process, which leads its session and group.
    private let pid: pid_t
    private let outputReader: Int32
    private let exitReader: Int32
    private let exitWriter: Int32

    /// Output that is still coming this long after the shell's end belongs to something it left in the background.
    private static let graceMilliseconds: Int32 = 100

    /// Runs a command to its end, with no input, in the working directory, and hands over its output as it comes.
    ///
    /// The command is asked for more only when `receive` has taken what came before. Cancelling the task kills the
    /// command's whole group.
    static func run(
        _ command: String, isolation: isolated (any Actor)? = #isolation, receive: ([UInt8]) -> Void
    ) async throws(System.Failure) -> Ending {
        let shell = try Shell(command)
        let status = await withTaskCancellationHandler {
            async let status = shell.wait()
            while let piece = await shell.nextPiece() { receive(piece) }
            return await status
        } onCancel: {
            kill(-shell.pid, SIGKILL)
        }
        shell.close()
        if Task.isCancelled { return .aborted }
        // WIFEXITED and its kin are macros, which Swift does not import.
        return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
    }

    private init(_ command: String) throws(System.Failure) {
        let output = try Self.pipe()
        let exit = try Self.pipe()
        (outputReader, exitReader, exitWriter) = (output.reader, exit.reader, exit.writer)
        defer { Self.close(output.writer) }
        do {
            pid = try Self.spawn("/bin/bash", command, output: output.writer)
        } catch {
            do {
                pid = try Self.spawn("/bin/sh", command, output: output.writer)
            } catch {
                for descriptor in [output.reader, exit.reader, exit.writer] { Self.close(descriptor) }
                throw error
            }
        }
    }

    /// Waits for the shell's end, then wakes the reader; on a thread of its own, since waitpid blocks and the pool has as few
    /// threads as there are processors.
    private func wait() async -> Int32 {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "pi-demo.wait").async {
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                Self.writeByte(exitWriter)
                continuation.resume(returning: status)
            }
        }
    }

    /// The next output, or `nil` when there will be none that counts; on a thread of its own, since poll blocks, too.
    private func nextPiece() async -> [UInt8]? {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "pi-demo.read").async {
                continuation.resume(returning: readPiece())
            }
        }
    }

    private func readPiece() -> [UInt8]? {
        var waiting = [
            pollfd(fd: outputReader, events: Int16(POLLIN), revents: 0),
            pollfd(fd: exitReader, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waiting, 2, -1) < 0, errno == EINTR {}
        // The shell has ended: read on as long as there is something, but wait no longer than the grace.
        if waiting[0].revents == 0 {
            while poll(&waiting, 1, Self.graceMilliseconds) < 0, errno == EINTR {}
            guard waiting[0].revents != 0 else { return nil }
        }
        guard let piece = try? System.readSome(from: outputReader), !piece.isEmpty else { return nil }
        return piece
    }

    private func close() {
        for descriptor in [outputReader, exitReader, exitWriter] { Self.close(descriptor) }
    }

    private static func close(_ descriptor: Int32) {
        #if canImport(Darwin)
            Darwin.close(descriptor)
        #elseif canImport(Musl)
            Musl.close(descriptor)
        #else
            Glibc.close(descriptor)
        #endif
    }

    private static func writeByte(_ descriptor: Int32) {
        var byte: UInt8 = 0
        _ = write(descriptor, &byte, 1)
    }

    /// A pipe whose ends no child inherits.
    private static func pipe() throws(System.Failure) -> (reader: Int32, writer: Int32) {
        var ends: [Int32] = [0, 0]
        guard hypi_pipe(&ends) == 0 else { throw System.Failure() }
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ shell: String, _ command: String, output: Int32
    ) throws(System.Failure) -> pid_t {
        var child = hypi_child()
        hypi_begin_child(&child, [SIGPIPE], 1, hypi_spawn_new_session())
        defer { hypi_end_child(&child) }
        posix_spawn_file_actions_addopen(&child.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&child.actions, output, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&child.actions, output, STDERR_FILENO)

        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] =
            [shell, "-c", command].map { (word: String) in strdup(word) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let failure = posix_spawn(&pid, shell, &child.actions, &child.attributes, &arguments, environ)
        guard failure == 0 else { throw System.Failure(code: failure) }
        return pid
    }
}
