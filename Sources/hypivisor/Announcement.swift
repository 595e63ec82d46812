import HypiNet
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
    private let certificate: TLSCertificate?
    private let logger: Logger
    private let file: DiscoveryFile
    private let serviceSocket: String?

    /// Announces a hypivisor that listens.
    ///
    /// A discovery file that cannot be written is a warning: whoever has the URL needs none.
    ///
    /// - Throws: `Failure` if there is no home, or standard output cannot be written.
    init(
        of hypivisor: Hypivisor, _ certificate: TLSCertificate?, environment: Environment, logger: Logger
    ) throws {
        url = hypivisor.url
        self.certificate = certificate
        self.logger = logger
        file = try DiscoveryFile(environment: environment)
        serviceSocket = environment["NOTIFY_SOCKET"]
        write()
        do {
            var record: JSONObject = [
                "event": "ready", "url": .string("\(url)"), "port": .int(hypivisor.port), "pid": .int(getpid()),
            ]
            if let pin = certificate?.pin { record["tls_pin"] = .string("\(pin)") }
            try StandardOutput.write(record: .object(record))
        } catch {
            // We are about to end: nobody may be sent here.
            takeBack()
            throw error
        }
        var metadata: Logger.Metadata = ["url": "\(url)"]
        if let pin = certificate?.pin { metadata["tls_pin"] = "\(pin)" }
        logger.info("Hypivisor online", metadata: metadata)
        Systemd.notify("READY=1", socket: serviceSocket)
    }

    /// Writes the discovery file, at the start and after a change of the certificate.
    private func write() {
        do {
            try file.write(url, pin: certificate?.pin)
        } catch {
            logger.warning("cannot announce the URL", metadata: ["file": "\(error.path)", "why": "\(error.reason)"])
        }
    }

    /// Reads the certificate again; one that cannot be used leaves the old one where it is.
    func reload() {
        guard let certificate else { return }
        do {
            try certificate.reload()
            write()
            logger.notice("certificate read again", metadata: ["tls_pin": "\(certificate.pin.map { "\($0)" } ?? "")"])
        } catch {
            logger.error("the old certificate stays", metadata: ["why": "\(error)"])
        }
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
