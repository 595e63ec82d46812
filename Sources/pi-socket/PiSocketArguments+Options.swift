public import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOCore
import PiSocketCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

extension PiSocketOptions.Restart: ExpressibleByArgument {}

extension PiSocketArguments {
    /// The first port that is tried, and how many.
    private static let firstPort = 8080
    private static let portCount = 1000

    /// The command line and the environment as one validated value.
    ///
    /// - Throws: `Failure` with status 64 or 78.
    func bridgeOptions(
        _ environment: Environment, on eventLoop: any EventLoop
    ) throws(Failure) -> PiSocketOptions {
        let folder = try workingFolder()
        let token =
            noAuth ? nil : try TokenSource(environment: environment, optionFile: endpoint.tokenFile).serverToken()
        let machine = Environment.machine()
        var options = PiSocketOptions(
            piCommand: try piWords(environment), folder: folder, id: try nodeID(folder.path), machine: machine,
            ports: try ports(environment),
            policy: HandshakePolicy(
                token: token, allowedOrigins: Set(allowOrigin), allowedHosts: Set(allowHost), machine: machine))
        // A path that begins with a dash would be an option of pi's.
        let session = resume.map { $0.hasPrefix("-") ? "./" + $0 : $0 }
        options.piArguments = (session.map { ["--session", $0] } ?? []) + piArguments
        options.sessionFile = session.flatMap { Self.sessionFile($0, in: folder.path) }
        options.sessionLocks = sessionLocks(environment)
        options.extensionFile = noExtension ? nil : try extensionFile(environment)
        options.isStdio = stdio
        options.piEnvironment = environment.withoutSecrets
        options.hookEnvironment = environment.withoutSecrets
        options.name = name
        options.host = host
        options.certificate = try tls.certificate(environment)
        if let maxClients { options.viewerLimit = maxClients }
        if let replay { options.replayBytes = max(replay.byteCount, 1 << 16) }
        options.uiTimeout = uiTimeout?.duration
        // Who embeds pi sees it end, as it would without us.
        options.restart = restart ?? (stdio ? .never : .onFailure)
        if let grace { options.grace = grace.duration }
        options.idleExit = idleExit?.duration
        options.maxCost = maxCost?.amount
        options.maxTurn = maxTurn?.duration
        options.maxRepeats = maxRepeats
        options.hook = hook ?? environment["HYPI_HOOK"]
        // A URL that is looked for may be another one tomorrow, and have TLS.
        if endpoint.hypivisor != nil || environment["HYPIVISOR_WS"] != nil {
            try endpoint.checkTrust(in: try endpoint.registry(environment))
        }
        // What is wrong in the configuration is told now, and not in the log of an agent that is never listed.
        if !standalone { _ = try endpoint.clientOptions(environment) }
        options.registry = standalone ? nil : registry(environment)
        options.announcements = { announced in
            let file = try DiscoveryFile(environment: environment)
            let watch = try await DiscoveryWatch.start(file, on: eventLoop, announced)
            return { watch.stop() }
        }
        options.reconnectDelay = try reconnectDelay(environment)
        options.spawnID = spawnId
        options.key = key
        return options
    }

    /// Writes the extension that pi is started with; a pi that runs keeps the one it was started with.
    ///
    /// - Returns: `nil` where the disk has no room for it: an agent without its list of tools is worth more than none.
    private func extensionFile(_ environment: Environment) throws(Failure) -> String? {
        let path = try environment.stateFolder() + "/extension/hyper-pi-tools.js"
        do throws(PrivateFile.Fault) {
            if (try? PrivateFile.read(path, for: .trusted)) == ToolCatalogue.source { return path }
            try PrivateFile.replace(path, with: ToolCatalogue.source)
            return path
        } catch {
            let failure = error.failure(.cannotCreate, hint: "or --no-extension")
            guard error.isOfDisk else { throw failure }
            Diagnostic.print("pi-socket", "pi runs without the extension that lists its tools: \(failure.line)")
            return nil
        }
    }

    /// The file of a session that was given as one; others are pi's to look up.
    private static func sessionFile(_ session: String, in folder: String) -> String? {
        let path = session.hasPrefix("/") ? session : folder + "/" + session
        return session.contains("/") || PrivateFile.exists(path) ? path : nil
    }

    /// Where agents say which sessions they work on.
    private func sessionLocks(_ environment: Environment) -> String? {
        do {
            let folder = try environment.stateFolder() + "/session"
            try PrivateFile.makeFolder(folder)
            return folder
        } catch {
            // An agent is worth more than the knowledge what it works on.
            Diagnostic.print("pi-socket", "nobody can see which session this agent works on: \(Failure(error).line)")
            return nil
        }
    }

    /// Sends standard error to `--log-file`.
    ///
    /// - Returns: `nil` without one.
    /// - Throws: `Failure` with status 73.
    func openLogFile() throws(Failure) -> LogFile? {
        guard let logFile else { return nil }
        return try LogFile(logFile)
    }

    /// Starts this program again in the background and prints what it reports.
    ///
    /// - Throws: `Failure` as the bridge would have.
    func startDetached() throws -> ExitStatus {
        let environment = Environment.current()
        let id = try nodeID(try workingFolder().path)
        let log = try logFile ?? Self.detachedLog(id, environment)
        var words = CommandLine.arguments.dropFirst().filter { $0 != "--detach" }
        if endpoint.passesURLSecretly() { words = Self.without("--hypivisor", words) }
        if let hook {
            // Every user of the machine can read a command line, for as long as the agent runs.
            words = Self.without("--hook", words)
            setenv("HYPI_HOOK", hook, 1)
        }
        // It comes first: what was given on the command line, too, is stronger.
        // One word each: no value of them is read as an option.
        let arguments = ["--detached", "--id=\(id)", "--log-file=\(log)"] + words
        let program = Executable.folder.map { $0 + "/pi-socket" } ?? CommandLine.arguments[0]
        do {
            switch try Detach.start(program, arguments, logFile: log) {
            case .ready(let record): try StandardOutput.write(records: Array((record + "\n").utf8))
            case .failed(let status, let message): throw Failure(ExitStatus(rawValue: status), message)
            }
        } catch let fault as Detach.Fault {
            throw Failure(.system, "cannot \(fault.action): \(fault.reason)")
        }
        return .success
    }

    /// The log of an agent in the background; none where the disk has no room for it, since the agent is worth more.
    private static func detachedLog(_ id: String, _ environment: Environment) throws(Failure) -> String {
        let folder = try environment.stateFolder() + "/log"
        let path = "\(folder)/\(id).log"
        do throws(PrivateFile.Fault) {
            try PrivateFile.makeFolder(folder)
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw PrivateFile.Fault(action: "create", path: path, code: errno) }
            close(descriptor)
            return path
        } catch {
            guard error.isOfDisk else { throw error.failure(.cannotCreate) }
            Diagnostic.print("pi-socket", "\(id) runs without a log: \(error.failure(.cannotCreate).line)")
            return "/dev/null"
        }
    }

    /// A command line without an option, in either form; what follows `--` is pi's.
    private static func without(_ option: String, _ words: [String]) -> [String] {
        let own = words.prefix { $0 != "--" }
        let kept = zip([""] + own, own).filter { before, word in
            before != option && word != option && !word.hasPrefix(option + "=")
        }
        return kept.map(\.1) + words.dropFirst(own.count)
    }

    private func workingFolder() throws(Failure) -> AgentFolder {
        do throws(AgentFolder.Fault) {
            return try AgentFolder(cwd)
        } catch {
            throw Failure(.usage, "cannot work in \(error.path.isEmpty ? "''" : error.path): \(error.reason)")
        }
    }

    private func nodeID(_ folder: String) throws(Failure) -> String {
        guard let id else { return PiSocketOptions.makeID(cwd: folder) }
        guard let first = id.first, first.isLetter || first.isNumber, id.utf8.count <= 128,
            id == id.withoutControlCharacters, !id.contains(where: { $0 == "/" || $0.isWhitespace })
        else {
            throw Failure(
                .usage, "--id must begin with a letter or digit and be 1 to 128 characters without blank and slash")
        }
        return id
    }

    private func piWords(_ environment: Environment) throws(Failure) -> [String] {
        let text = pi ?? environment["HYPI_PI"] ?? "pi"
        guard let words = CommandWords.split(text), !words.isEmpty else {
            throw Failure(.usage, "--pi is not a command: \(text)")
        }
        return words
    }

    private func ports(_ environment: Environment) throws(Failure) -> [Int] {
        guard let text = port.map(String.init) ?? environment["PI_SOCKET_PORT"] else {
            return Array(Self.firstPort..<Self.firstPort + Self.portCount)
        }
        guard let port = Int(text), 0...65535 ~= port else {
            let (source, status) = port == nil ? ("PI_SOCKET_PORT", ExitStatus.configuration) : ("--port", .usage)
            throw Failure(status, "\(source) must be a number from 0 to 65535, not \(text)")
        }
        // As in version 1, the variable is where the search begins; the option names the port.
        guard self.port == nil, port > 0 else { return [port] }
        return Array(port..<min(port + Self.portCount, 65536))
    }

    private func reconnectDelay(_ environment: Environment) throws(Failure) -> Duration {
        guard let text = environment["PI_SOCKET_RECONNECT_MS"] else { return .milliseconds(500) }
        guard let milliseconds = Int(text), 1...3_600_000 ~= milliseconds else {
            throw Failure(.configuration, "PI_SOCKET_RECONNECT_MS must be a number of milliseconds, not \(text)")
        }
        return .milliseconds(milliseconds)
    }

    /// Asked before every attempt: a hypivisor that was started meanwhile, on whatever port, is found.
    private func registry(_ environment: Environment) -> @Sendable () throws -> RegistryTarget {
        let (endpoint, host) = (endpoint, host)
        // A hypivisor that spawned us named itself. It may be gone for good, and its successor on another port.
        let attempts = spawnId == nil ? nil : AttemptCount()
        return {
            let isExplicit = endpoint.hypivisor != nil || environment["HYPIVISOR_WS"] != nil
            let file = try DiscoveryFile(environment: environment)
            // A file that is not trusted matters only where it would be believed.
            let announced = isExplicit ? try? file.read() : try file.read()
            var url = try endpoint.registry(environment)
            if let announced, let attempts, attempts.next() % 2 == 1 { url = announced }
            let isLocal = !isExplicit || announced == url
            return RegistryTarget(
                url: url, options: try endpoint.clientOptions(environment, to: url),
                isLocal: isLocal && Self.listens(host, whereDials: url))
        }
    }

    /// Whether a server on `host` is reached at the address that the hypivisor of this machine at `url` dials.
    ///
    /// A hypivisor dials the address from which the registration comes. On one machine that is the address of the
    /// hypivisor itself, and 127.0.0.1 for all of 127.0.0.0/8. What other names mean is unknown here: a tunnel serves.
    private static func listens(_ host: String, whereDials url: WebSocketURL) -> Bool {
        let (own, registry) = (host.lowercased(), url.host.lowercased())
        let dialled = WebSocketURL.isLoopback(registry) && registry != "::1" ? "127.0.0.1" : registry
        let isIPv6 = dialled.contains(":")
        let isIPv4 = dialled.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || $0 == UInt8(ascii: ".") }
        return switch own {
        case "0.0.0.0": isIPv4
        case "::": isIPv6
        case _ where WebSocketURL.isLocalName(own): dialled == "127.0.0.1"
        default: own == dialled && (isIPv4 || isIPv6)
        }
    }
}

/// Counts attempts from 0 on.
private final class AttemptCount: Sendable {
    private let count = Atomic<Int>(0)

    func next() -> Int {
        count.wrappingAdd(1, ordering: .relaxed).oldValue
    }
}
