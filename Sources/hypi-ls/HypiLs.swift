import ArgumentParser
import HypiTool
import HypiWire

/// Lists agents, once or for as long as one likes, and waits for them.
@main
struct HypiLs: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypi-ls",
        abstract: "List the agents that a hypivisor knows, those that need you first.",
        usage: "hypi-ls [options] [target ...]", version: "hypi-ls \(Version.current)")

    @Argument(help: "Only these: an id, the start of one, a name, a folder.", completion: RegistryCompletion.targets)
    var target: [String] = []
    @OptionGroup var selection: SelectionOptions
    @Flag(help: "Go on with every change until interrupted.") var watch = false
    @Option(help: ArgumentHelp("Go on behind this cursor of --watch.", valueName: "cursor")) var since: String?
    @Option(help: ArgumentHelp("Until all are so.", valueName: "state"))
    var wait: WaitState?
    @OptionGroup var timeout: TimeoutOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: EndpointOptions

    func validate() throws {
        guard wait == nil || !watch else { throw ValidationError("--wait and --watch exclude each other") }
        guard since == nil || watch else { throw ValidationError("--since needs --watch") }
    }

    func run() async throws {
        try await ToolRun.run("hypi-ls") {
            let environment = Environment.taken()
            let usual: Duration? = wait == nil && !watch ? .seconds(10) : nil
            let limit = TimeLimit(
                "hypi-ls", try timeout.timeLimit(environment, usual: usual),
                waitingFor: "the hypivisor did not answer")
            defer { limit.stop() }
            let link = try RegistryLink(endpoint, environment)
            let selection = try Selection(target, selection, from: .current(environment))
            let printer = output.printer(environment)
            if let wait { return try await Wait(for: wait, selection, printer, limit).run(link) }
            if watch {
                var watch = Watch(selection, printer)
                return try await watch.run(link, since: since)
            }
            var listing = Listing(selection, printer)
            return try await listing.run(link)
        }
    }
}
