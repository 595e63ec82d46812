import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import Logging
import NIOPosix
import PiSocketCore
import UnixSignals

/// The bridge between one pi and its viewers.
struct PiSocketCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "pi-socket",
        abstract: "Run pi in a folder and serve it to many viewers over a WebSocket.",
        usage: "pi-socket [options] [-- pi arguments]", version: "pi-socket \(Version.current)")

    @OptionGroup var options: PiSocketArguments

    func run() async throws {
        if options.detach && !options.detached {
            return try await ToolRun.run("pi-socket") { try options.startDetached() }
        }
        // It asks for more descriptors than other programs, and where a detached one lacks them its starter is to hear of it.
        guard options.detached else { return try await ToolRun.run("pi-socket", descriptors: 0, serve) }
        SignalExit.ignore(SignalExit.hangup)
        try await ToolRun.run("pi-socket", descriptors: 0) {
            do {
                return try await serve()
            } catch {
                let failure = PiSocketFailure.words(error)
                Detach.report(failure: failure.line, status: failure.status.rawValue)
                throw failure
            }
        }
    }

    private func serve() async throws -> ExitStatus {
        guard !(options.stdio && options.detached) else {
            throw Failure(.usage, "--stdio and --detach exclude each other")
        }
        try Failure.unlessRoom(for: DescriptorRoom.forBridge)
        let environment = Environment.taken()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let bridgeOptions = try options.bridgeOptions(environment, on: group.next())
        let handler = LineLogHandler(
            component: "pi-socket", level: options.logLevel.level, format: options.logFormat,
            file: try options.openLogFile())
        let logger = Logger(label: "pi-socket") { _ in handler }
        let bridge = PiSocket(bridgeOptions, on: group, logger: logger)
        let certificate = bridgeOptions.certificate
        let (isDetached, isStdio) = (options.detached, options.stdio)
        // Before anything can be asked of us: a signal that comes earlier is not lost, and there is a descriptor for it.
        let signals = await trapSignals(ignoresHangups: isDetached && certificate == nil)
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { await obey(signals, bridge, certificate, logger) }
                try await bridge.run { ready in
                    let record = ready.record
                    if isDetached {
                        Detach.report(record)
                    } else if isStdio {
                        // Standard output is pi's.
                        logger.notice("ready", metadata: ["id": "\(ready.id)", "url": "\(ready.url)"])
                    } else {
                        try StandardOutput.write(record: record)
                    }
                    ProgramText.release()
                }
                tasks.cancelAll()
            }
        } catch {
            throw PiSocketFailure.words(error)
        }
        return .success
    }
}

private func trapSignals(ignoresHangups: Bool) async -> UnixSignalsSequence {
    await UnixSignalsSequence(trapping: ignoresHangups ? [.sigterm, .sigint] : [.sigterm, .sigint, .sighup])
}

/// The first signal lets pi end its turn, the second does not wait.
///
/// A hangup that is none reads the certificate again.
private func obey(
    _ signals: UnixSignalsSequence, _ bridge: PiSocket, _ certificate: TLSCertificate?, _ logger: Logger
) async {
    var isSecond = false
    let hangup = Hangup()
    for await signal in signals {
        if signal == .sighup, let certificate, !hangup.isTerminalLost {
            do {
                try certificate.reload()
                bridge.certificateChanged()
                logger.notice("certificate read again")
            } catch {
                logger.error("the old certificate stays", metadata: ["why": "\(error)"])
            }
            continue
        }
        bridge.stop(force: isSecond)
        isSecond = true
    }
}
