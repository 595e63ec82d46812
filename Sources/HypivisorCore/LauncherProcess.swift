import CPlatform
import HypiWire
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// One run of a launcher, which begins in an open folder and in a session of its own.
///
/// posix_spawn and not swift-subprocess, which starts programs in a path only: a path may lead elsewhere by then.
struct LauncherProcess: Sendable {
    /// What a launcher printed, and how it ended.
    struct Outcome: Sendable {
        /// What its ready line says.
        var ready: Launcher.Ready?
        /// The end of its standard error.
        var errors: [UInt8]
        /// How it ended, as wait(2) reports it.
        var status: CInt
        /// Whether it had to be ended because its time was over.
        var isLate: Bool
    }

    /// The most of the launcher's output that is looked at.
    private static let outputBytes = 64 << 10
    /// How long it has to tidy up when it takes too long.
    private static let patience = Duration.seconds(1)

    private let pid: pid_t
    private let output: CInt
    private let errors: CInt
    /// Readable once the process has ended; -1 where the system has no such thing.
    private let end: CInt
    private let stopRequest: CInt
    private let stopper: CInt

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - program: Its path, or a name that is looked up in `PATH`.
    ///   - arguments: What follows the name.
    ///   - environment: All its environment.
    ///   - folder: Where it begins.
    /// - Throws: ``SystemFault``; nothing is running then.
    init(
        _ program: String, _ arguments: [String], _ environment: [String: String], in folder: Folder
    ) throws(SystemFault) {
        let pipes = try Pipes()
        do {
            pid = try Self.spawn(program, arguments, environment, in: folder, pipes)
        } catch {
            pipes.close()
            throw error
        }
        (output, errors) = (pipes.output.read, pipes.errors.read)
        (stopRequest, stopper) = (pipes.stop.read, pipes.stop.write)
        close(pipes.output.write)
        close(pipes.errors.write)
        for stream in [output, errors] { _ = fcntl(stream, F_SETFL, O_NONBLOCK) }
        end = hypi_watch_end(pid)
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ environment: [String: String], in folder: Folder,
        _ pipes: Pipes
    ) throws(SystemFault) -> pid_t {
        var child = hypi_child()
        hypi_begin_child(&child, nil, 0, hypi_spawn_new_session())
        defer { hypi_end_child(&child) }
        let fault = hypi_spawn_in_folder(&child.actions, folder.descriptor)
        guard fault == 0 else { throw SystemFault(fault) }
        posix_spawn_file_actions_addopen(&child.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&child.actions, pipes.output.write, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&child.actions, pipes.errors.write, STDERR_FILENO)
        let closing = hypi_spawn_without_descriptors(&child.actions)
        guard closing == 0 else { throw SystemFault(closing) }
        var pid: pid_t = 0
        let code = withCStrings([program] + arguments) { words in
            withCStrings(environment.map { "\($0)=\($1)" }) { environment in
                posix_spawnp(&pid, program, &child.actions, &child.attributes, words, environment)
            }
        }
        guard code == 0 else { throw SystemFault(code) }
        return pid
    }

    /// Asks for the end of ``wait(until:)``; from any thread, while it runs.
    func stop() {
        var byte: UInt8 = 0
        _ = write(stopper, &byte, 1)
    }

    /// Reads what the launcher prints and waits for its end; blocks, so it needs a thread of its own.
    ///
    /// It is not waited for what it left behind and what may hold its output. To be called once.
    ///
    /// - Parameter deadline: When it is asked to end; ``patience`` later it is killed.
    /// - Returns: What it printed and how it ended.
    func wait(until deadline: ContinuousClock.Instant) -> Outcome {
        var reading = Reading(output: output, errors: errors)
        var stages = [SIGTERM, SIGKILL][...]
        var (time, isLate): (ContinuousClock.Instant?, Bool) = (deadline, false)
        while true {
            var requests = [end, stages.count == 2 ? stopRequest : -1, reading.output, reading.errors].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            poll(&requests, nfds_t(requests.count), Self.milliseconds(until: time))
            reading.read()
            if requests[0].revents != 0 || (end < 0 && reading.output < 0 && reading.errors < 0) { break }
            guard let signal = stages.first else { continue }
            guard requests[1].revents != 0 || time.map({ ContinuousClock.now >= $0 }) == true else { continue }
            isLate = isLate || requests[1].revents == 0
            stages.removeFirst()
            kill(pid, signal)
            time = stages.isEmpty ? nil : ContinuousClock.now + Self.patience
        }
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        reading.read()
        for descriptor in [reading.output, reading.errors, end, stopRequest, stopper] where descriptor >= 0 {
            close(descriptor)
        }
        return Outcome(ready: reading.ready, errors: reading.lastErrors, status: status, isLate: isLate)
    }

    private static func milliseconds(until time: ContinuousClock.Instant?) -> CInt {
        guard let time else { return -1 }
        let left = (time - ContinuousClock.now).components
        return CInt(clamping: max(0, left.seconds * 1000 + left.attoseconds / 1_000_000_000_000_000) + 1)
    }

    private static func withCStrings<Value>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
    ) -> Value {
        let copies = strings.map { (string: String) in strdup(string) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }

    /// The pipes of one run; no other child inherits them.
    private struct Pipes {
        var output: (read: CInt, write: CInt) = (-1, -1)
        var errors: (read: CInt, write: CInt) = (-1, -1)
        var stop: (read: CInt, write: CInt) = (-1, -1)

        init() throws(SystemFault) {
            for path in [\Pipes.output, \Pipes.errors, \Pipes.stop] {
                var ends: [CInt] = [-1, -1]
                guard hypi_pipe(&ends) == 0 else {
                    let code = errno
                    close()
                    throw SystemFault(code)
                }
                self[keyPath: path] = (ends[0], ends[1])
            }
        }

        func close() {
            for ends in [output, errors, stop] {
                for end in [ends.read, ends.write] where end >= 0 { closeDescriptor(end) }
            }
        }
    }

    /// What has come from the launcher so far.
    private struct Reading {
        /// Its streams; -1 after their end.
        private(set) var output: CInt
        private(set) var errors: CInt
        private(set) var ready: Launcher.Ready?
        private(set) var lastErrors: [UInt8] = []
        private var splitter = RecordSplitter(limit: LauncherProcess.outputBytes)

        init(output: CInt, errors: CInt) {
            (self.output, self.errors) = (output, errors)
        }

        /// Takes what is there, without waiting.
        mutating func read() {
            output = Self.read(output) { bytes in
                splitter.append(ByteBuffer(bytes: bytes))
                while let output = splitter.next() {
                    if case .record(let record) = output, ready == nil { ready = Launcher.Ready(record) }
                }
            }
            errors = Self.read(errors) { bytes in
                lastErrors += bytes
                if lastErrors.count > LauncherProcess.outputBytes {
                    lastErrors.removeFirst(lastErrors.count - LauncherProcess.outputBytes)
                }
            }
        }

        /// - Returns: The descriptor, or -1 if that was the end.
        private static func read(_ descriptor: CInt, _ take: (ArraySlice<UInt8>) -> Void) -> CInt {
            guard descriptor >= 0 else { return descriptor }
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            // Something that prints without end must not hold us here; the rest is read when poll says so.
            for _ in 0..<16 {
                let count = readDescriptor(descriptor, &buffer, buffer.count)
                if count > 0 {
                    take(buffer[..<count])
                } else if count == 0 {
                    closeDescriptor(descriptor)
                    return -1
                } else if errno != EINTR {
                    return descriptor
                }
            }
            return descriptor
        }
    }
}

private func closeDescriptor(_ descriptor: CInt) {
    close(descriptor)
}

private func readDescriptor(_ descriptor: CInt, _ buffer: inout [UInt8], _ count: Int) -> Int {
    read(descriptor, &buffer, count)
}
