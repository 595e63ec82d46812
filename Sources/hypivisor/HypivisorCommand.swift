import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import HypivisorCore
import Logging
import NIOCore
import UnixSignals

/// The program, which also is the first process of a container.
@main
enum HypivisorProgram {
    static func main() async {
        FirstProcess.keep()
        await HypivisorCommand.main()
    }
}

/// The command: options to configuration, ready line, signals, end.
struct HypivisorCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "hypivisor",
        abstract: "Keep the list of running agents, relay viewers to them, and start new ones.",
        usage: "hypivisor [options]", version: "hypivisor \(Version.current)")

    @OptionGroup var options: HypivisorOptions

    func run() async throws {
        DescriptorRoom.raiseLimit()
        let descriptors = DescriptorRoom.forLoop * (System.coreCount + 1) + DescriptorRoom.forRegistry
        try await ToolRun.run("hypivisor", descriptors: descriptors) {
            let environment = Environment.taken()
            guard !options.systemdUnit else {
                try StandardOutput.write(HypivisorOptions.unit(environment))
                return .success
            }
            let logger = options.logger()
            let configuration = try options.configuration(environment, logger: logger)
            let hangups: [UnixSignal] = configuration.certificate == nil ? [] : [.sighup]
            let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint] + hangups)
            let hypivisor = try await start(configuration, logger)
            let announcement = try Announcement(
                of: hypivisor, configuration.certificate, environment: environment, logger: logger)
            defer { announcement.takeBack() }
            ProgramText.release()
            await serve(hypivisor, until: signals, announcement, logger)
            return .success
        }
    }

    private func start(_ configuration: Hypivisor.Configuration, _ logger: Logger) async throws -> Hypivisor {
        do {
            return try await Hypivisor.start(configuration, logger: logger)
        } catch {
            guard case .portTaken(let host, let port) = error else { throw error }
            let owner = PortOwner.name(port: port).map { " by \($0)" } ?? ""
            throw Failure(
                .cannotCreate, "cannot listen on \(host):\(port): address already in use\(owner)",
                hint: "choose another with --port, or 0 for any")
        }
    }

    private func serve(
        _ hypivisor: Hypivisor, until signals: UnixSignalsSequence, _ announcement: Announcement, _ logger: Logger
    ) async {
        let hangup = Hangup()
        await withTaskGroup { tasks in
            tasks.addTask { await hypivisor.run() }
            for await signal in signals {
                if signal == .sighup, !hangup.isTerminalLost {
                    announcement.reload()
                    continue
                }
                logger.info("stopping", metadata: ["signal": "\(signal)"])
                break
            }
            announcement.stopping()
            hypivisor.stop()
        }
    }
}
