import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Loads a hypivisor with agents that come and go and with dashboards that look on, and measures it.
///
/// Prints one JSON line a phase and sample; the exit status is 1 if a dashboard has missed anything.
@main
struct RegistryLoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry-load",
        abstract: "Register many agents, look on with many dashboards, let agents come and go, and measure.")

    @OptionGroup var endpoint: EndpointOptions
    @Option(help: "Agents that stay.") var agents = 500
    @Option(help: "Dashboards that look on.") var subscribers = 5
    @Option(help: "Joins, and as many leaves, in a minute of churn.") var churn = 1000
    @Option(help: "Seconds of churn.") var seconds = 0
    @Option(help: "Seconds between two samples of memory.") var sample = 10
    @Option(help: "Updates to send, once a line has come on standard input; the agents then stay for another line.")
    var updates = 0
    @Option(help: "The hypivisor's process id, for its memory.") var pid: Int32?
    @Option(help: "Seconds for each phase.") var patience = 120

    func run() async throws {
        try await ToolRun.run("registry-load") {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let environment = Environment.current()
            let site = Site(
                url: try endpoint.registry(environment), options: try endpoint.clientOptions(environment),
                group: MultiThreadedEventLoopGroup.singleton)
            let load = Load(site, patience: .seconds(patience), pid: pid)
            return try await load.run(
                .init(
                    agents: agents, dashboards: subscribers, churn: churn, seconds: seconds, sample: sample,
                    updates: updates))
        }
    }
}
