import Foundation
import HypiWire

/// A running `pi-demo`, spoken to over pipes; each test has its own, in a home of its own.
final class DemoProcess {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// A home folder, which goes with the last process that lives in it.
    final class Home {
        let url: URL

        init() throws {
            let url = FileManager.default.temporaryDirectory.appendingPathComponent("pi-demo-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            self.url = url.resolvingSymlinksInPath()
        }

        deinit {
            try? FileManager.default.removeItem(at: url)
        }
    }

    let ownHome: Home
    private let process = Process()
    private let input = Pipe()
    private let output: LineBuffer
    private let errors: LineBuffer

    /// Starts the built executable at full speed unless a rate is given.
    init(_ arguments: [String] = [], rate: Int = 0, home: Home? = nil) throws {
        signal(SIGPIPE, SIG_IGN)
        ownHome = try home ?? Home()
        let (outputPipe, errorPipe) = (Pipe(), Pipe())
        output = LineBuffer(outputPipe.fileHandleForReading)
        errors = LineBuffer(errorPipe.fileHandleForReading)
        process.executableURL = try Self.executable()
        process.arguments = ["--mode", "rpc", "--rate", "\(rate)"] + arguments
        process.currentDirectoryURL = ownHome.url
        process.environment = ["HOME": ownHome.url.path, "PATH": "/usr/bin:/bin"]
        process.standardInput = input
        process.standardOutput = outputPipe
        process.standardError = errorPipe
        try process.run()
        output.start()
        errors.start()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    var home: URL { ownHome.url }

    /// The executable beside the test bundle.
    private static func executable() throws -> URL {
        let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
        var folder = URL(fileURLWithPath: bundle)
        while folder.path != "/" {
            folder.deleteLastPathComponent()
            let candidate = folder.appendingPathComponent("pi-demo")
            var isFolder: ObjCBool = false
            if FileManager.default.fileExists(atPath: candidate.path, isDirectory: &isFolder), !isFolder.boolValue {
                return candidate
            }
        }
        throw Failure(description: "no pi-demo beside \(bundle)")
    }

    // MARK: Talking

    func send(_ command: JSON) {
        send(line: command.text)
    }

    func send(line: String) {
        send(bytes: Data((line + "\n").utf8))
    }

    func send(bytes: Data) {
        try? input.fileHandleForWriting.write(contentsOf: bytes)
    }

    /// All records up to and with the first one that `isLast` accepts; lines that are no JSON come as strings.
    @discardableResult
    func records(until isLast: (JSON) -> Bool, within seconds: Double = 60) throws -> [JSON] {
        let deadline = Date(timeIntervalSinceNow: seconds)
        var records: [JSON] = []
        while let line = try output.next(before: deadline) {
            let record = (try? JSON(parsing: line)) ?? .string(line)
            records.append(record)
            if isLast(record) { return records }
        }
        throw Failure(description: "stdout ended after \(records.map(\.text).suffix(5)); stderr: \(errors.all)")
    }

    /// Sends a prompt and takes everything up to the end of its run.
    func prompt(_ text: String, isCumulative: Bool = false) throws -> [JSON] {
        send(["id": "p", "type": "prompt", "message": .string(text)])
        return try records(until: Self.ends(isCumulative))
    }

    /// Sends a command and answers with the response to it, leaving out the records before.
    func ask(_ command: JSONObject) throws -> JSON {
        var command = command
        command["id"] = "ask"
        send(.object(command))
        return try records { Self.isResponse($0, "ask") }.last ?? .null
    }

    static func ends(_ isCumulative: Bool) -> (JSON) -> Bool {
        { $0["type"]?.string == (isCumulative ? "agent_end" : "agent_settled") }
    }

    static func isResponse(_ record: JSON, _ id: JSON) -> Bool {
        record["type"]?.string == "response" && record["id"] == id
    }

    // MARK: Ending

    var pid: pid_t {
        process.processIdentifier
    }

    func closeInput() {
        try? input.fileHandleForWriting.close()
    }

    func closeOutput() {
        output.close()
    }

    /// The lines that are left, after the process has ended by itself.
    func rest(within seconds: Double = 60) throws -> [JSON] {
        let deadline = Date(timeIntervalSinceNow: seconds)
        var records: [JSON] = []
        while let line = try output.next(before: deadline) {
            records.append((try? JSON(parsing: line)) ?? .string(line))
        }
        return records
    }

    /// The exit status, or the signal as a negative number.
    func status(within seconds: Double = 60) throws -> Int32 {
        let deadline = Date(timeIntervalSinceNow: seconds)
        // stderr ends when the process does.
        while try errors.wait(before: deadline) {}
        process.waitUntilExit()
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    var errorText: String {
        errors.all.joined(separator: "\n")
    }
}

/// Lines of a pipe, read on a thread of its own.
///
/// `@unchecked Sendable`: every access to the mutable state holds `condition`.
private final class LineBuffer: @unchecked Sendable {
    private let handle: FileHandle
    private let condition = NSCondition()
    private var lines: [String] = []
    private var position = 0
    private var hasEnded = false
    private var leaves = false

    init(_ handle: FileHandle) {
        self.handle = handle
    }

    func start() {
        Thread.detachNewThread { [self] in
            var pending = Data()
            // Not read(upToCount:), which waits until it has as much as that, nor availableData, which traps.
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = read(handle.fileDescriptor, &bytes, bytes.count), count > 0, !isClosed {
                pending.append(contentsOf: bytes[..<count])
                var found = pending.split(separator: 10, omittingEmptySubsequences: false)
                pending = Data(found.removeLast())
                add(found.map { String(decoding: $0, as: UTF8.self) })
            }
            condition.withLock {
                if !pending.isEmpty { lines.append(String(decoding: pending, as: UTF8.self)) }
                hasEnded = true
                try? handle.close()
                condition.broadcast()
            }
        }
    }

    private func add(_ new: [String]) {
        condition.withLock {
            lines += new
            condition.broadcast()
        }
    }

    /// The next line; `nil` at the end.
    func next(before deadline: Date) throws -> String? {
        try condition.withLock {
            while position >= lines.count, !hasEnded {
                guard condition.wait(until: deadline) else {
                    throw DemoProcess.Failure(description: "nothing more came after \(lines.suffix(5))")
                }
            }
            guard position < lines.count else { return nil }
            defer { position += 1 }
            return lines[position]
        }
    }

    /// Waits for the end; `true` if it has to be called again.
    func wait(before deadline: Date) throws -> Bool {
        try condition.withLock {
            if hasEnded { return false }
            guard condition.wait(until: deadline) else { throw DemoProcess.Failure(description: "it does not end") }
            return true
        }
    }

    var all: [String] {
        condition.withLock { lines }
    }

    /// Leaves the pipe; the thread that reads closes it, so that its descriptor is not taken from under it.
    func close() {
        condition.withLock { leaves = true }
    }

    private var isClosed: Bool {
        condition.withLock { leaves }
    }
}
