import ArgumentParser
import HypiTool
import HypiWire

/// Lists folders as hypivisor sees them: on its machine, within its roots.
@main
struct HypiDirs: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypi-dirs",
        abstract: "List folders of the hypivisor's machine in which an agent could work.",
        usage: "hypi-dirs [options] [path ...]", version: "hypi-dirs \(Version.current)")

    @Argument(
        help: "Folders to look into (default: the first root).", completion: RegistryCompletion.folders)
    var path: [String] = []
    @Option(help: ArgumentHelp("Look this deep.", valueName: "levels")) var depth = 1
    @Flag(help: "Only git repositories.") var git = false
    @Flag(help: "Only folders in which no agent works yet.") var missing = false
    @Flag(name: [.customLong("print0"), .customShort("0")], help: "Paths, each followed by a NUL.") var print0 = false
    @Flag(help: "One JSON object a line, as in a pipe.") var json = false
    @OptionGroup var timeout: TimeoutOptions
    @OptionGroup var endpoint: EndpointOptions

    func validate() throws {
        guard 1...Self.greatestDepth ~= depth else {
            throw ValidationError("--depth must be 1 to \(Self.greatestDepth)")
        }
        guard !(print0 && json) else { throw ValidationError("--print0 and --json exclude each other") }
    }

    /// Deeper trees are loops that a file system was built into, or no place for agents.
    private static let greatestDepth = 64

    func run() async throws {
        try await ToolRun.run("hypi-dirs") {
            let environment = Environment.current()
            let limit = TimeLimit(
                "hypi-dirs", try timeout.timeLimit(environment, usual: .seconds(60)),
                waitingFor: "the hypivisor did not answer")
            defer { limit.stop() }
            let link = try RegistryLink(endpoint, environment)
            let folder = WorkingFolder.current(environment)
            let style: FolderPrinter.Style =
                print0 ? .paths : json || !StandardOutput.isTerminal ? .records : .names
            let printer = FolderPrinter(style: style, isGitOnly: git, isMissingOnly: missing)
            let starts = path.isEmpty ? [nil] : try path.map { try folder.absolute($0) }
            return try await link.withClient { [depth] client in
                try await FolderWalk(client, depth: depth).run(from: starts) { try printer.print($0) }
            }
        }
    }
}
