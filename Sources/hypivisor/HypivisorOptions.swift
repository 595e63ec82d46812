import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import HypivisorCore
import Logging
import NIOCore

/// The options of `hypivisor`, and the configuration that they and the environment amount to.
struct HypivisorOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "Port to listen on; 0 for any.")
    var port = EndpointOptions.defaultPort

    @Option(help: "Address to listen on.")
    var host = "127.0.0.1"

    @Option(
        name: [.customShort("t"), .long],
        help: ArgumentHelp("A gone agent stays listed this long (default: 30s).", valueName: "time"))
    var nodeTTL: TimeSpan?

    @Option(help: ArgumentHelp("Time between pings (default: 15s).", valueName: "time"))
    var heartbeat: TimeSpan?

    @Option(
        help: ArgumentHelp("Agents live below it; repeatable (default: HOME).", valueName: "folder"),
        completion: .directory)
    var root: [String] = []

    @Option(
        help: ArgumentHelp("Allow browsers from this origin; repeatable.", valueName: "origin"))
    var allowOrigin: [Origin] = []

    @Option(help: ArgumentHelp("A further name of this machine; repeatable.", valueName: "name"))
    var allowHost: [String] = []

    @Option(help: ArgumentHelp("File with the token (HYPI_TOKEN_FILE).", valueName: "file"), completion: .file())
    var tokenFile: String?

    @OptionGroup var tls: TLSOptions

    @Flag(help: "Serve wss:// with a certificate of our own making.")
    var tlsSelfSigned = false

    @Flag(help: "Serve without a token, on loopback only.")
    var noAuth = false

    @Option(help: ArgumentHelp("Connections at once.", valueName: "n"))
    var maxConnections = Limits.connections

    @Option(help: ArgumentHelp("Agents started from here at once.", valueName: "n"))
    var maxAgents = Limits.agents

    @Flag(help: "Do not start agents.")
    var noSpawn = false

    @Option(
        help: ArgumentHelp(
            "A hook that clients may ask for by its name; repeatable.", valueName: "name=command"))
    var spawnHook: [String] = []

    @Flag(help: "Run any command that a client with the token sends as a hook.")
    var allowHooks = false

    @Flag(help: "Take arguments for pi from any client with the token, not only from this user here.")
    var allowArgs = false

    @Option(help: ArgumentHelp("What starts an agent (default: pi-socket).", valueName: "cmd"))
    var spawnCommand: String?

    @Option(help: .hidden)
    var spawnTimeout: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "A variable for agents, also with --clean-env; repeatable.", valueName: "name[=value]"))
    var env: [String] = []

    @Flag(help: "Pass agents only the usual variables and those of --env.")
    var cleanEnv = false

    @Flag(help: "Print roster events, a JSON object a line.")
    var printEvents = false

    @Option(help: ArgumentHelp("Least level.", valueName: "level"))
    var logLevel = LogLevel.info

    @Option(help: ArgumentHelp("Their form.", valueName: "format"))
    var logFormat = LogFormat.text

    @Flag(help: "Print a systemd user unit and exit.")
    var systemdUnit = false

    func validate() throws {
        guard 0...65535 ~= port else { throw ValidationError("--port must be from 0 to 65535") }
        guard nodeTTL?.duration != .zero else { throw ValidationError("--node-ttl must be positive") }
        guard heartbeat?.duration != .zero else { throw ValidationError("--heartbeat must be positive") }
        guard spawnCommand.map({ CommandWords.split($0)?.isEmpty == false }) ?? true else {
            throw ValidationError("--spawn-command holds no command, or a quote that is not closed")
        }
        guard !tlsSelfSigned || tls.tlsCert == nil else {
            throw ValidationError("--tls-self-signed and --tls-cert exclude each other")
        }
        guard maxConnections > 0 else { throw ValidationError("--max-connections must be positive") }
        guard maxAgents >= 0 else { throw ValidationError("--max-agents must not be negative") }
        _ = try permissions()
        for word in env {
            let name = word.prefix { $0 != "=" }
            guard !name.isEmpty else { throw ValidationError("--env needs NAME or NAME=VALUE, not '\(word)'") }
            guard !["HYPI_TOKEN", "HYPI_TOKEN_FILE"].contains(name) else {
                throw ValidationError("--env cannot set \(name): agents get the token of this hypivisor")
            }
        }
    }

    /// The logger of the program.
    func logger() -> Logger {
        Logger(label: "hypivisor") { label in LineLogHandler(component: label, level: logLevel.level, format: logFormat)
        }
    }

    /// The configuration.
    ///
    /// - Throws: `Failure` if the token, a root or the home folder is not to be had.
    func configuration(_ environment: Environment, logger: Logger) throws -> Hypivisor.Configuration {
        let source = TokenSource(environment: environment, optionFile: tokenFile)
        let token = noAuth ? nil : try source.serverToken()
        let policy = HandshakePolicy(
            token: token, allowedOrigins: Set(allowOrigin), allowedHosts: Set(allowHost),
            machine: Environment.machine())
        var configuration = Hypivisor.Configuration(
            host: host, port: port, policy: policy, roots: try roots(environment),
            spawning: try spawning(environment, source, token))
        configuration.connectionLimit = maxConnections
        configuration.certificate = try certificate(environment)
        if let nodeTTL { configuration.nodeTTL = TimeAmount(nodeTTL.duration) }
        if let heartbeat { configuration.heartbeat = TimeAmount(heartbeat.duration) }
        if printEvents { configuration.onEvent = EventPrinter(logger: logger).print }
        return configuration
    }

    /// What spawn requests may bring along.
    ///
    /// - Throws: `ValidationError` for a hook without name or command, or one that is there twice.
    private func permissions() throws(ValidationError) -> SpawnPermissions {
        var permissions = SpawnPermissions()
        permissions.allowsHooks = allowHooks
        permissions.allowsArguments = allowArgs
        for definition in spawnHook {
            let name = String(definition.prefix { $0 != "=" })
            let command = String(definition.dropFirst(name.count + 1))
            guard !name.isEmpty, !name.contains(where: \.isWhitespace), command.contains(where: { !$0.isWhitespace })
            else { throw ValidationError("--spawn-hook needs NAME=COMMAND, not '\(definition)'") }
            guard permissions.hooks.updateValue(command, forKey: name) == nil else {
                throw ValidationError("--spawn-hook defines '\(name)' twice")
            }
        }
        return permissions
    }

    private func certificate(_ environment: Environment) throws(Failure) -> TLSCertificate? {
        guard tlsSelfSigned else { return try tls.certificate(environment) }
        let bound = ["0.0.0.0", "::"].contains(host) ? [] : [host]
        return try TLSOptions.selfSigned(
            environment,
            names: [Environment.machine(), "localhost", "127.0.0.1", "::1"] + bound + allowHost)
    }

    private func roots(_ environment: Environment) throws -> Roots {
        let home = try environment.home()
        do {
            return try Roots(root.isEmpty ? [home] : root, home: home)
        } catch {
            throw Failure(.configuration, error.message, hint: "see --root")
        }
    }

    private func spawning(
        _ environment: Environment, _ source: TokenSource, _ token: Token?
    ) throws -> Hypivisor.Spawning {
        var spawning = Hypivisor.Spawning(
            command: SpawnCommand.find(spawnCommand, path: environment["PATH"]), environment: environment.all)
        spawning.isEnabled = !noSpawn
        spawning.permissions = try permissions()
        spawning.agentLimit = maxAgents
        spawning.passing.isClean = cleanEnv
        spawning.passing.additions = env.map { word in
            let name = word.prefix { $0 != "=" }
            return (String(name), name.count < word.count ? String(word.dropFirst(name.count + 1)) : nil)
        }
        if let spawnTimeout { spawning.startTime = spawnTimeout.duration }
        if let token {
            let file = try source.file().map(SpawnCommand.absolute)
            spawning.tokenVariable = file.map { ["HYPI_TOKEN_FILE": $0] } ?? ["HYPI_TOKEN": token.secret]
        }
        return spawning
    }

    /// The unit for the options this process was given.
    ///
    /// A service manager's `PATH` is short, and it has not read the person's profile.
    static func unit(_ environment: Environment) -> String {
        let arguments = CommandLine.arguments.dropFirst().filter { $0 != "--systemd-unit" }
        return Systemd.unit(
            executable: SpawnCommand.ownExecutable() ?? "hypivisor", arguments: Array(arguments),
            variables: ["PATH", "HYPI_PI"].compactMap { name in environment[name].map { (name, $0) } })
    }
}
