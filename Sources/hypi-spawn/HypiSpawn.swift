import ArgumentParser
import HypiNet
import HypiTool
import HypiWire

/// Starts an agent in each of some folders and prints who they are.
@main
struct HypiSpawn: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypi-spawn",
        abstract: "Start an agent in each folder and print its record once it is usable.",
        usage: "hypi-spawn [options] [dir ...] [-- pi arguments]", version: "hypi-spawn \(Version.current)")

    static let hasTrailingArguments = true

    @Argument(help: "Folders (default: this one); - reads them from stdin.", completion: RegistryCompletion.folders)
    var dir: [String] = []
    @OptionGroup var input: InputOptions
    @OptionGroup var agent: AgentOptions
    @OptionGroup var guards: GuardOptions
    @OptionGroup var start: StartOptions
    @OptionGroup var timeout: TimeoutOptions
    @OptionGroup var endpoint: EndpointOptions

    func validate() throws {
        try agent.validate(isSingle: dir.count < 2 && dir != ["-"])
    }

    func run() async throws {
        try await ToolRun.run("hypi-spawn") {
            let environment = Environment.current()
            let folder = WorkingFolder.current(environment)
            let perFolder = try timeout.timeLimit(environment, usual: .seconds(60))
            let link = try RegistryLink(endpoint, environment)
            let order = try agent.order(Self.trailingArguments, guards, from: folder)
            let folders = FolderSource(dir.isEmpty ? ["."] : dir, isNulSeparated: input.null, from: folder)
            let batch = Batch(folders, order, jobs: start.jobs, limit: perFolder)
            do {
                return try await batch.run(through: link, waits: !start.noWait)
            } catch let error as ConnectError where start.local && error.isAbsence {
                let local = try LocalStarter(link, environment, endpoint)
                return try await batch.run(with: local)
            }
        }
    }
}
