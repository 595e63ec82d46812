import CPlatform
public import HypiWire
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Starts a bridge that outlives the shell, the terminal and the hypivisor that asked for it.
///
/// The program starts itself again in a session of its own, with nothing of ours open but a pipe, on which the new
/// process reports once: ready, or why not.
public enum Detach {
    /// What came of it.
    public enum Outcome: Sendable, Equatable {
        /// The ready record, as the new process printed it.
        case ready(String)
        /// Its exit status and its one line.
        case failed(status: Int32, message: String)
    }

    /// Why no process was started.
    public struct Fault: Error, Sendable, Equatable {
        /// What failed.
        public var action: String
        /// The system's error number.
        public var code: CInt

        /// The system's text for it.
        public var reason: String {
            String(cString: strerror(code)).lowercased()
        }
    }

    /// The time the new process has to report.
    public static let reportSeconds = 60

    /// Starts `executable` with `arguments` in a new session and waits for its report.
    ///
    /// posix_spawn and not swift-subprocess, which always waits for its child: this one must outlive us.
    ///
    /// - Parameters:
    ///   - executable: This very program.
    ///   - arguments: Without the program's name.
    ///   - logFile: Where its stderr goes; created 0600, appended to.
    /// - Returns: What it reported.
    /// - Throws: ``Fault``.
    public static func start(_ executable: String, _ arguments: [String], logFile: String) throws(Fault) -> Outcome {
        // What our caller left open is not the bridge's: a lock or a pipe of a shell would be held for days.
        hypi_keep_descriptors()
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0 else { throw Fault(action: "make a pipe", code: errno) }
        defer { close(ends[0]) }
        let interruptions = try catchInterruptions()
        let pid: pid_t
        do {
            defer { close(ends[1]) }
            pid = try spawn(executable, arguments, report: ends[1], logFile)
        }
        switch readReport(ends[0], interruptions: interruptions[0]) {
        case .line(let report): return outcome(report, pid, logFile)
        case .late:
            abandon(pid, ends[0])
            return .failed(status: 69, message: "pi did not answer within \(reportSeconds) s; see \(logFile)")
        case .interrupted(let signal):
            abandon(pid, ends[0])
            return .failed(status: 128 + signal, message: "stopped by signal \(signal) before pi had answered")
        }
    }

    /// Makes the signals that would end us readable: who does not want to wait any longer does not want the bridge.
    private static func catchInterruptions() throws(Fault) -> [CInt] {
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0 else { throw Fault(action: "make a pipe", code: errno) }
        for signal in [SIGTERM, SIGINT, SIGHUP] { _ = hypi_forward_signal(signal, ends[1]) }
        return ends
    }

    /// Ends a bridge that is not up; a second signal tells it not to wait for a pi that hangs.
    private static func abandon(_ pid: pid_t, _ report: CInt) {
        kill(pid, SIGTERM)
        var request = pollfd(fd: report, events: Int16(POLLIN), revents: 0)
        if poll(&request, 1, 300) == 0 { kill(pid, SIGTERM) }
    }

    /// Reports that the bridge is up, and lets go of the pipe.
    public static func report(_ record: JSON) {
        writeLine(record)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        if null >= 0 {
            dup2(null, STDOUT_FILENO)
            close(null)
        }
    }

    /// Reports why the bridge is not up.
    public static func report(failure message: String, status: Int32) {
        writeLine(["event": "error", "status": .int(status), "message": .string(message)])
    }

    /// Whoever waits for the report may have gone; there is nobody else to tell.
    private static func writeLine(_ record: JSON) {
        let bytes = record.record
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno != EINTR { return }
            offset += max(0, count)
        }
    }

    private static func spawn(
        _ executable: String, _ arguments: [String], report: CInt, _ logFile: String
    ) throws(Fault) -> pid_t {
        let signals = [SIGPIPE, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD]
        var child = hypi_child()
        hypi_begin_child(&child, signals, CInt(signals.count), hypi_spawn_new_session())
        defer { hypi_end_child(&child) }
        posix_spawn_file_actions_addopen(&child.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&child.actions, report, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(
            &child.actions, STDERR_FILENO, logFile, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var words: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        words.append(nil)
        var pid: pid_t = 0
        let code = posix_spawn(&pid, executable, &child.actions, &child.attributes, words, environ)
        guard code == 0 else { throw Fault(action: "start \(executable)", code: code) }
        return pid
    }

    /// What waiting for the report came to.
    private enum Wait {
        /// The first line, or what there was of it when the process ended.
        case line([UInt8])
        /// It did not come in time.
        case late
        /// A signal came first.
        case interrupted(CInt)
    }

    private static func readReport(_ descriptor: CInt, interruptions: CInt) -> Wait {
        var line: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        let deadline = ContinuousClock.now + .seconds(reportSeconds)
        while !line.contains(UInt8(ascii: "\n")) {
            let left = deadline - ContinuousClock.now
            guard left > .zero else { return .late }
            var requests = [descriptor, interruptions].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            let ready = poll(&requests, 2, CInt(max(1, milliseconds)))
            if ready < 0, errno != EINTR { return .late }
            guard ready > 0 else { continue }
            guard requests[0].revents != 0 else {
                return .interrupted(read(interruptions, &buffer, 1) == 1 ? CInt(buffer[0]) : SIGTERM)
            }
            let count = read(descriptor, &buffer, buffer.count)
            if count == 0 { return .line(line) }
            if count > 0 { line += buffer[..<count] }
        }
        return .line(Array(line.prefix { $0 != UInt8(ascii: "\n") }))
    }

    private static func outcome(_ report: [UInt8], _ pid: pid_t, _ logFile: String) -> Outcome {
        let text = String(decoding: report, as: UTF8.self)
        guard let record = try? JSON(parsing: text), let event = record["event"]?.string else {
            var status: CInt = 0
            waitpid(pid, &status, 0)
            return .failed(status: 70, message: "the bridge ended without a word; see \(logFile)")
        }
        if event == "ready" { return .ready(text) }
        return .failed(
            status: Int32(clamping: record["status"]?.int ?? 70),
            message: record["message"]?.string ?? "unknown failure")
    }
}
