import HypiTool
import HypiWire
import HypivisorCore
import Logging

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Tells everybody where a hypivisor is: the discovery file, the log, standard output, the service manager.
struct Announcement {
    private let url: WebSocketURL
    private let file: DiscoveryFile
    private let serviceSocket: String?

    /// Announces a hypivisor that listens.
    ///
    /// A discovery file that cannot be written is a warning: whoever has the URL needs none.
    ///
    /// - Throws: `Failure` if there is no home, or standard output cannot be written.
    init(of hypivisor: Hypivisor, environment: Environment, logger: Logger) throws {
        url = hypivisor.url
        file = try DiscoveryFile(environment: environment)
        serviceSocket = environment["NOTIFY_SOCKET"]
        do {
            try file.write(url)
        } catch {
            logger.warning("cannot announce the URL", metadata: ["file": "\(error.path)", "why": "\(error.reason)"])
        }
        do {
            try StandardOutput.write(record: [
                "event": "ready", "url": .string("\(url)"), "port": .int(hypivisor.port), "pid": .int(getpid()),
            ])
        } catch {
            // We are about to end: nobody may be sent here.
            takeBack()
            throw error
        }
        logger.info("Hypivisor online", metadata: ["url": "\(url)"])
        Systemd.notify("READY=1", socket: serviceSocket)
    }

    /// Tells the service manager that we are about to end.
    func stopping() {
        Systemd.notify("STOPPING=1", socket: serviceSocket)
    }

    /// Takes the discovery file back, unless another hypivisor has written its own since.
    func takeBack() {
        file.remove(url)
    }
}
