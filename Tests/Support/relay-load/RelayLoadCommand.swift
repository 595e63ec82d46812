import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Opens many relays at once whose viewers do not read, fills them, and measures what the hypivisor holds.
///
/// Prints one JSON line a phase. At the end the viewers read, and the exit status is 1 if one of them misses a frame.
/// The hypivisor needs a `--heartbeat` that is longer than the measurement, or it ends viewers that do not answer.
@main
struct RelayLoadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay-load", abstract: "Stall many viewers behind a relay, and measure its memory.")

    @OptionGroup var endpoint: EndpointOptions
    @Option(help: "Relays at once.") var relays = 100
    @Option(help: "Bytes of one frame.") var frame = 64 << 10
    @Flag(help: "Reach the agent through tunnels instead of its port.") var tunnel = false
    @Option(help: "The hypivisor's process id, for its memory.") var pid: Int32?
    @Option(help: "Seconds for each phase.") var patience = 120

    func run() async throws {
        try await ToolRun.run("relay-load") {
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let environment = Environment.current()
            let options = try endpoint.clientOptions(environment)
            let load = RelayLoad(
                url: try endpoint.registry(environment), token: options.token, count: relays, frameBytes: frame,
                usesTunnel: tunnel, pid: pid, patience: .seconds(patience))
            return try await load.run()
        }
    }
}
