import Foundation
import NIOConcurrencyHelpers

#if canImport(Glibc)
    public import Glibc
#else
    public import Darwin
#endif

/// One of the built executables, or any other program, under a test's control.
///
/// It is started with posix_spawn in a process group of its own, optionally on a pseudo-terminal in a session of its
/// own; one thread a descriptor reads what it writes. It is killed when the object goes.
public final class TestProcess: Sendable {
    /// How a process ended.
    public enum Exit: Sendable, Equatable {
        /// With a status.
        case status(Int32)
        /// By a signal.
        case signal(Int32)
    }

    /// What is at the process's standard input.
    public enum Input: Sendable {
        /// Nothing: /dev/null.
        case null
        /// A pipe the test writes to.
        case pipe
        /// A descriptor that is not open at all.
        case closed
    }

    /// What its descriptors are.
    public enum Terminal: Sendable, Equatable {
        /// Pipes.
        case none
        /// A terminal of this size, for all three.
        case size(columns: UInt16, rows: UInt16)
    }

    /// The process id.
    public let pid: pid_t
    /// What it wrote to standard output, or to its terminal.
    public let output = Transcript()
    /// What it wrote to standard error; empty on a terminal.
    public let errors = Transcript()
    private let inputDescriptor: NIOLockedValueBox<CInt>
    private let exitBox = NIOLockedValueBox<Exit?>(nil)
    private let coreBox = NIOLockedValueBox(false)
    private let ended = Transcript()

    /// Starts a process.
    ///
    /// - Parameters:
    ///   - executable: Its path.
    ///   - arguments: Without the program's name.
    ///   - environment: The whole environment.
    ///   - cwd: Its working directory.
    ///   - input: Its standard input, where it has no terminal.
    ///   - terminal: A terminal for all three descriptors.
    /// - Throws: What the system said when it could not be started.
    public init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String], cwd: String? = nil,
        input: Input = .null, terminal: Terminal = .none
    ) throws {
        let plumbing = try Plumbing(input: input, terminal: terminal)
        pid = try plumbing.spawn(executable, arguments, environment, cwd)
        inputDescriptor = NIOLockedValueBox(plumbing.ourInput)
        plumbing.closeTheirs()
        Self.read(plumbing.ourOutput, into: output)
        if let errorDescriptor = plumbing.ourErrors { Self.read(errorDescriptor, into: errors) } else { errors.end() }
        let (pid, exitBox, coreBox, ended) = (pid, exitBox, coreBox, ended)
        Thread.detachNewThread {
            var status: CInt = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            let isExit = status & 0x7F == 0
            // WCOREDUMP, a macro.
            coreBox.withLockedValue { $0 = !isExit && status & 0x80 != 0 }
            exitBox.withLockedValue { $0 = isExit ? .status(status >> 8 & 0xFF) : .signal(status & 0x7F) }
            ended.end()
        }
    }

    deinit {
        if exitBox.withLockedValue({ $0 }) == nil { kill(pid, SIGKILL) }
        closeInput()
    }

    /// Whether the system wrote a core when it ended; false before its end.
    public var hasLeftCore: Bool {
        coreBox.withLockedValue { $0 }
    }

    /// Writes to its standard input or terminal.
    public func send(_ text: String) {
        send(bytes: Array(text.utf8))
    }

    /// Writes bytes to its standard input or terminal.
    public func send(bytes: [UInt8]) {
        inputDescriptor.withLockedValue { descriptor in
            var offset = 0
            while descriptor >= 0, offset < bytes.count {
                let count = bytes[offset...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno != EINTR { return }
                offset += max(0, count)
            }
        }
    }

    /// Ends its standard input.
    public func closeInput() {
        inputDescriptor.withLockedValue { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    /// Sends it a signal.
    public func signal(_ number: CInt) {
        kill(pid, number)
    }

    /// Changes the size of its terminal; it gets SIGWINCH.
    public func resize(columns: UInt16, rows: UInt16) {
        inputDescriptor.withLockedValue { descriptor in
            var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
            _ = ioctl(descriptor, UInt(TIOCSWINSZ), &size)
        }
    }

    /// Waits for its end.
    public func waitForExit(timeout: Duration = .seconds(20)) async throws -> Exit {
        try await ended.wait(
            "the end of \(pid), which wrote \(output.text.suffix(800)) and \(errors.text.suffix(800))",
            timeout: timeout
        ) { $1 }
        return try exitBox.withLockedValue { exit in
            guard let exit else { throw DeadlinePassed("no exit of \(pid)") }
            return exit
        }
    }

    /// Waits for its end and for the end of what it writes.
    public func finish(timeout: Duration = .seconds(20)) async throws -> (exit: Exit, output: String, errors: String) {
        let exit = try await waitForExit(timeout: timeout)
        try await output.wait("the end of its output", timeout: timeout) { $1 }
        try await errors.wait("the end of its errors", timeout: timeout) { $1 }
        return (exit, output.text, errors.text)
    }

    /// Waits for line `number` (from 0) of its output.
    public func line(_ number: Int, timeout: Duration = .seconds(20)) async throws -> String {
        try await output.wait("line \(number); errors: \(errors.text.suffix(500))", timeout: timeout) {
            bytes, hasEnded in
            hasEnded || bytes.count { $0 == UInt8(ascii: "\n") } > number
        }
        let lines = output.text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > number + 1 else {
            throw DeadlinePassed("no line \(number) in: \(output.text); errors: \(errors.text)")
        }
        return String(lines[number])
    }

    private static func read(_ descriptor: CInt, into transcript: Transcript) {
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                #if canImport(Glibc)
                    let count = Glibc.read(descriptor, &buffer, buffer.count)
                #else
                    let count = Darwin.read(descriptor, &buffer, buffer.count)
                #endif
                if count > 0 {
                    transcript.append(buffer[..<count])
                } else if count == 0 || errno != EINTR {
                    break
                }
            }
            close(descriptor)
            transcript.end()
        }
    }
}
