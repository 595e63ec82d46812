import ArgumentParser
import HypiTool
import PiDemoCore

@main
struct PiDemoCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "pi-demo",
        abstract: "Stand in for 'pi --mode rpc' without a model, a network or a key.",
        usage: "pi-demo [options of pi]")

    @Option(help: "The mode; there is only rpc.") var mode = "rpc"
    @Option(help: ArgumentHelp("Characters per second; 0: at once.", valueName: "n")) var rate = 200.0
    @Option(
        help: ArgumentHelp("Speak as pi 0.58, 0.79, 0.84, 0.87 or 1.0.", valueName: "version"),
        completion: .list(WireVersion.allCases.map(\.rawValue)), transform: Self.wireVersion)
    var wire: WireVersion?
    @Flag(help: "The same as --wire 0.58.") var cumulative = false
    @Option(help: "Go on with this file, or start of an id.", completion: .file()) var session: String?
    @Flag(name: [.customShort("c"), .customLong("continue")], help: "Go on with this folder's last session.")
    var continues = false
    @Flag(help: "Keep no session file.") var noSession = false
    @Option(help: ArgumentHelp("The folder of session files.", valueName: "dir"), completion: .directory)
    var sessionDir: String?
    @Option(name: .shortAndLong, help: "The session's name.") var name: String?
    @Option(help: "demo-large, demo-small or demo-tiny; with :LEVEL.") var model: String?
    @Option(help: "Ignored.") var provider: String?
    @Option(help: ArgumentHelp("off, minimal, low, medium or high.", valueName: "level")) var thinking: String?
    @Option(name: [.customShort("e"), .long], help: ArgumentHelp("Ignored.", valueName: "file")) var `extension`:
        [String] = []
    @Flag(name: [.customShort("v"), .long], help: "Print the version.") var version = false
    @Argument(parsing: .allUnrecognized, help: "Options of pi that mean nothing here are ignored.") var ignored:
        [String] = []

    func validate() throws {
        guard mode == "rpc" else { throw ValidationError("there is no mode '\(mode)' (only rpc)") }
        guard !cumulative || wire == nil else {
            throw ValidationError("--cumulative and --wire exclude each other (--cumulative is --wire 0.58)")
        }
        guard rate >= 0, rate.isFinite else { throw ValidationError("--rate must not be negative") }
    }

    func run() async throws {
        guard !version else { throw CleanExit.message(PiDemo.version) }
        PiDemo.report(ignored: ignored)
        try await ToolRun.run("pi-demo") {
            var options = DemoOptions(agentDirectory: try Self.agentDirectory())
            options.charactersPerSecond = rate
            if let wire = cumulative ? .v0_58 : wire { options.wire = wire }
            options.start = noSession ? .unsaved : session.map { .named($0) } ?? (continues ? .latest : .new)
            (options.sessionDirectory, options.name) = (sessionDir, name)
            (options.model, options.thinking) = (model, thinking)
            // pi's own statuses, which are 0 and 1.
            throw ExitCode(await PiDemo.run(options))
        }
    }

    @Sendable private static func wireVersion(_ text: String) throws -> WireVersion {
        guard let version = WireVersion(rawValue: text) else {
            let known = WireVersion.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("unknown version '\(text)' (known: \(known))")
        }
        return version
    }

    private static func agentDirectory() throws -> String {
        let environment = Environment.current()
        return try environment["PI_CODING_AGENT_DIR"] ?? environment.home() + "/.pi-demo/agent"
    }
}
