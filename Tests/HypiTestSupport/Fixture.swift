import Foundation
public import HypiNet
public import HypiWire
import NIOConcurrencyHelpers

#if canImport(Glibc)
    public import Glibc
#else
    public import Darwin
#endif

/// A person's machine for one test: a home of its own, the built executables, and the programs started from there.
///
/// Everything in it is removed, and every process that was detached from it is ended, by ``cleanUp()``, and with the
/// fixture itself at the latest.
public final class Fixture: Sendable {
    /// The home folder, resolved.
    public let home: String
    /// What was started here, kept alive until the end.
    private let processes = NIOLockedValueBox<[TestProcess]>([])

    /// A fresh home under the system's folder for temporary files.
    public init() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hypi-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        home = URL(fileURLWithPath: folder).resolvingSymlinksInPath().path
    }

    deinit {
        // Of one that a test has cleaned up nothing is left to look for.
        if FileManager.default.fileExists(atPath: home) { cleanUp() }
    }

    /// The folder of the built executables: the one this test bundle lies in.
    public static let executables: String = {
        #if os(Linux)
            let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
            return URL(fileURLWithPath: program).deletingLastPathComponent().path
        #else
            return Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
                .map { URL(fileURLWithPath: $0.bundlePath).deletingLastPathComponent().path } ?? "."
        #endif
    }()

    /// The path of a built executable.
    public static func executable(_ name: String) -> String {
        executables + "/" + name
    }

    /// The environment of this home: as cron would give it, and the built executables first in `PATH`.
    public var environment: [String: String] {
        [
            "HOME": home, "PATH": Self.executables + ":/usr/bin:/bin",
            "HYPI_PI": Self.executable("pi-demo") + " --rate 0",
        ]
    }

    /// Makes a folder in the home.
    public func makeFolder(_ path: String) throws -> String {
        let folder = home + "/" + path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Writes a file that only its owner can read.
    public static func writeSecret(_ text: String, to path: String) throws {
        let permissions: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        guard FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: permissions) else {
            throw DeadlinePassed("cannot write \(path)")
        }
    }

    /// Starts one of the built executables.
    public func start(
        _ tool: String, _ arguments: [String] = [], environment extra: [String: String] = [:], cwd: String? = nil,
        input: TestProcess.Input = .null, terminal: TestProcess.Terminal = .none
    ) throws -> TestProcess {
        let process = try TestProcess(
            Self.executable(tool), arguments, environment: environment.merging(extra) { $1 }, cwd: cwd ?? home,
            input: input, terminal: terminal)
        processes.withLockedValue { $0.append(process) }
        return process
    }

    /// Runs one of the built executables to its end.
    public func run(
        _ tool: String, _ arguments: [String] = [], environment extra: [String: String] = [:], cwd: String? = nil,
        input: String? = nil, timeout: Duration = .seconds(30)
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        let process = try start(
            tool, arguments, environment: extra, cwd: cwd, input: input == nil ? .null : .pipe)
        if let input { process.send(input) }
        process.closeInput()
        return try await process.finish(timeout: timeout)
    }

    /// Starts a hypivisor on a free port and waits until it is ready.
    public func startHypivisor(_ arguments: [String] = ["--port", "0"]) async throws -> (TestProcess, WebSocketURL) {
        let process = try start("hypivisor", arguments)
        return (process, try await Self.readyURL(process))
    }

    /// Starts an agent and waits until it is ready.
    public func startAgent(
        _ arguments: [String] = [], cwd: String? = nil, environment: [String: String] = [:]
    ) async throws -> (process: TestProcess, id: String, url: WebSocketURL) {
        let process = try start("pi-socket", ["--port", "0"] + arguments, environment: environment, cwd: cwd)
        let ready = try JSON(parsing: try await process.line(0))
        guard let id = ready["id"]?.string else { throw DeadlinePassed("not a ready line: \(ready.text)") }
        return (process, id, try await Self.readyURL(process))
    }

    /// The token of this home, once a program has made one.
    public func token() throws -> Token {
        let text = try String(contentsOfFile: home + "/.config/hyper-pi/token", encoding: .utf8)
        guard let token = Token(text) else { throw DeadlinePassed("no token in \(home)") }
        return token
    }

    private static func readyURL(_ process: TestProcess) async throws -> WebSocketURL {
        let line = try await process.line(0)
        guard let url = try JSON(parsing: line)["url"]?.string.flatMap({ WebSocketURL($0) }) else {
            throw DeadlinePassed("not a ready line: \(line)")
        }
        return url
    }

    /// Ends what was detached from this home and removes the home.
    public func cleanUp() {
        processes.withLockedValue { $0 = [] }
        for pid in Self.processes(withHome: home) { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: home)
    }

    /// The processes whose environment names a home, from /proc; empty where there is none.
    public static func processes(withHome home: String) -> [pid_t] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { pid_t($0) }.filter { pid in
            // A sanitizer's own, which belongs to the program it looks at.
            if Effort.isSanitized,
                FileManager.default.contents(atPath: "/proc/\(pid)/comm") == Data("llvm-symbolizer\n".utf8)
            {
                return false
            }
            guard let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else { return false }
            return environment.split(separator: 0).contains { $0.elementsEqual("HOME=\(home)".utf8) }
        }
    }
}
