import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import PiSocketCore

/// The command line of pi-socket.
struct PiSocketArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The pi to run (HYPI_PI; default: pi).", valueName: "command"), completion: .file())
    var pi: String?
    @Option(help: ArgumentHelp("Folder to work in (default: this one).", valueName: "dir"), completion: .directory)
    var cwd: String?
    @Option(help: "Name in lists (default: the session's own).")
    var name: String?
    @Option(help: "Node id (default: <folder>-<6 characters>).")
    var id: String?
    @Option(name: .shortAndLong, help: "Port; 0 for any (PI_SOCKET_PORT; default: 8080 or up).")
    var port: Int?
    @Option(help: "Address to listen on.")
    var host = "127.0.0.1"
    @OptionGroup var endpoint: EndpointOptions
    @OptionGroup var tls: TLSOptions
    @Flag(help: "Do not register with a hypivisor.")
    var standalone = false
    @Flag(help: "Run in the background, in a session of its own.")
    var detach = false
    @Flag(help: .hidden)
    var detached = false
    @Flag(help: "Speak as pi --mode rpc on stdin and stdout.")
    var stdio = false
    @Flag(help: "Leave out the extension that lists pi's tools.")
    var noExtension = false
    @Option(help: ArgumentHelp("Restart pi after a crash (default: on-failure).", valueName: "when"))
    var restart: PiSocketOptions.Restart?
    @Option(help: ArgumentHelp("Time to end a turn when stopped (default: 30s).", valueName: "time"))
    var grace: TimeSpan?
    @Option(help: ArgumentHelp("Cancel dialogs that nobody is there to answer.", valueName: "time"))
    var uiTimeout: TimeSpan?
    @Option(help: ArgumentHelp("Bytes kept for slow viewers (default: 16M).", valueName: "size"))
    var replay: ByteSize?
    @Option(help: ArgumentHelp("Viewers at once (default: 20000).", valueName: "count"))
    var maxClients: Int?
    @Option(parsing: .unconditional, help: ArgumentHelp("Stop the agent beyond this cost.", valueName: "usd"))
    var maxCost: Dollars?
    @Option(help: ArgumentHelp("Stop a run that takes longer.", valueName: "time"))
    var maxTurn: TimeSpan?
    @Option(help: ArgumentHelp("Stop when the same tool call fails this often.", valueName: "count"))
    var maxRepeats: Int?
    @Option(help: ArgumentHelp("End after this time without viewer and work.", valueName: "time"))
    var idleExit: TimeSpan?
    @Option(
        help: ArgumentHelp("Command told of events on stdin (HYPI_HOOK).", valueName: "command"), completion: .file())
    var hook: String?
    @Flag(help: "Serve without a token, on loopback only.")
    var noAuth = false
    @Option(help: ArgumentHelp("Allow browsers from this origin; repeatable.", valueName: "origin"))
    var allowOrigin: [Origin] = []
    @Option(help: ArgumentHelp("A further name of this machine; repeatable.", valueName: "name"))
    var allowHost: [String] = []
    @Option(help: ArgumentHelp("Write the log here instead of stderr.", valueName: "file"), completion: .file())
    var logFile: String?
    @Option(help: ArgumentHelp("Least level.", valueName: "level"))
    var logLevel = LogLevel.info
    @Option(help: ArgumentHelp("Their form.", valueName: "format"))
    var logFormat = LogFormat.text
    @Option(help: .hidden) var spawnId: String?
    @Option(help: .hidden) var key: String?
    @Option(help: ArgumentHelp("Continue this session file.", valueName: "file"), completion: .file())
    var resume: String?
    @Argument(parsing: .postTerminator, help: .hidden)
    var piArguments: [String] = []

    func validate() throws {
        guard maxRepeats.map({ $0 > 0 }) ?? true else { throw ValidationError("--max-repeats must be positive") }
        guard maxClients.map({ $0 > 0 }) ?? true else { throw ValidationError("--max-clients must be positive") }
    }
}
