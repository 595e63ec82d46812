import ArgumentParser
import HypiTool
import PiDemoCore

@main
struct PiDemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pi-demo",
        abstract: "Speaks pi's RPC mode without a model, a network or a key, to try everything out.",
        discussion: """
            It is started as pi is; `--mode rpc` may be left out, there is no other mode. Options of pi that it does \
            not know are ignored.

            A line `!COMMAND` in a prompt really runs COMMAND. Prompts it knows: /ask, /long N, /error, /retry N, \
            /crash, /hang, /tool N, /notify TEXT, /noise, /big BYTES (`get_commands` describes them).

            Sessions are kept in $PI_CODING_AGENT_DIR/sessions, or else in ~/.pi-demo/agent/sessions, never among \
            those of a real pi.
            """)

    @Option(help: "The mode; there is only rpc.") var mode = "rpc"
    @Option(help: "Characters of an answer per second; 0 is as fast as possible.") var rate = 200.0
    @Flag(help: "Speak as pi before 0.84: cumulative updates.") var cumulative = false
    @Option(help: "The session to go on with: a file, or the start of an id.") var session: String?
    @Flag(name: [.customShort("c"), .customLong("continue")], help: "Go on with this folder's last session.")
    var continues = false
    @Flag(help: "Keep no session file.") var noSession = false
    @Option(help: "The folder of session files.") var sessionDir: String?
    @Option(name: .shortAndLong, help: "The session's name.") var name: String?
    @Option(help: "The model: demo-large, demo-small or demo-tiny, with an optional :LEVEL.") var model: String?
    @Option(help: "Ignored.") var provider: String?
    @Option(help: "off, minimal, low, medium or high.") var thinking: String?
    @Option(name: [.customShort("e"), .long], help: "Ignored.") var `extension`: [String] = []
    @Flag(name: [.customShort("v"), .long], help: "Print the version.") var version = false
    @Argument(parsing: .allUnrecognized, help: "Options of pi that mean nothing here.") var ignored: [String] = []

    func validate() throws {
        guard mode == "rpc" else { throw ValidationError("there is no mode '\(mode)' (only rpc)") }
        guard rate >= 0, rate.isFinite else { throw ValidationError("--rate must not be negative") }
    }

    func run() async throws {
        guard !version else { return print(PiDemo.version) }
        PiDemo.report(ignored: ignored)
        try await ToolRun.run("pi-demo") {
            var options = DemoOptions(agentDirectory: try Self.agentDirectory())
            options.charactersPerSecond = rate
            options.isCumulative = cumulative
            options.start = noSession ? .unsaved : session.map { .named($0) } ?? (continues ? .latest : .new)
            (options.sessionDirectory, options.name) = (sessionDir, name)
            (options.model, options.thinking) = (model, thinking)
            // pi's own statuses, which are 0 and 1.
            throw ExitCode(await PiDemo.run(options))
        }
    }

    private static func agentDirectory() throws -> String {
        let environment = Environment.current()
        return try environment["PI_CODING_AGENT_DIR"] ?? environment.home() + "/.pi-demo/agent"
    }
}
