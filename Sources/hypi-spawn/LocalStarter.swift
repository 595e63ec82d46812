import HypiNet
import HypiTool
import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Starts agents itself, where no hypivisor runs; they register as soon as there is one.
struct LocalStarter: Starter {
    private let program: String
    private let link: RegistryLink
    private let environment: Environment
    private let endpoint: EndpointOptions
    /// The registry as an option of pi-socket, unless it goes by the environment.
    private let hypivisor: String?

    /// A starter.
    ///
    /// - Throws: `Failure` with status 69 if there is no pi-socket.
    init(_ link: RegistryLink, _ environment: Environment, _ endpoint: EndpointOptions) throws(Failure) {
        guard let program = ProgramPath.find("pi-socket", environment) else {
            throw Failure(
                .unreachable, "no hypivisor runs, and pi-socket is neither beside hypi-spawn nor in PATH",
                hint: "set PATH")
        }
        self.program = program
        self.link = link
        self.environment = environment
        self.endpoint = endpoint
        hypivisor = endpoint.passesURLSecretly() ? nil : endpoint.hypivisor
    }

    func start(in folder: String, _ order: SpawnOrder) async throws -> JSON {
        guard order.key == nil, !order.isOnlyIfAbsent else {
            throw Failure(
                .unreachable, "cannot tell without a hypivisor which agents run", hint: "start it with 'hypivisor'")
        }
        let folder = try Self.makeFolder(order.newFolder, in: folder)
        let result = try await ProgramOutcome(
            running: program, arguments(order, folder),
            // Others can read a command line.
            adding: order.guards.first { $0.name == "hook" }.map { ["HYPI_HOOK": $0.value] } ?? [:])
        guard let line = result.output.split(separator: "\n").first, let ready = try? JSON(parsing: String(line)),
            let id = ready["id"]?.string, let url = ready["url"]?.string.flatMap({ WebSocketURL($0) })
        else { throw Self.failure(result) }
        var node = Node(
            id: id, machine: Environment.machine(), cwd: ready["cwd"]?.string ?? folder, port: url.port)
        node.pid = ready["pid"]?.int
        node.name = order.name
        node.extra["url"] = .string("\(url)")
        if let prompt = order.prompt { try await give(prompt, to: url) }
        return node.json
    }

    private func give(_ prompt: String, to url: WebSocketURL) async throws {
        // The agent may have made the token that was missing when this program began.
        let options = try endpoint.clientOptions(environment, to: url)
        let stream = try await link.open(url, token: options.token, subprotocols: [FirstTask.subprotocol])
        try await FirstTask(prompt).give(to: stream, isPlain: false)
    }

    private func arguments(_ order: SpawnOrder, _ folder: String) -> [String] {
        var arguments = ["--detach", "--cwd=\(folder)"]
        let options = [
            ("--name", order.name), ("--resume", order.sessionFile), ("--hypivisor", hypivisor),
            ("--token-file", endpoint.tokenFile), ("--ca-file", endpoint.caFile), ("--tls-pin", endpoint.tlsPin),
        ]
        // With `=`, a value that starts with a dash is still a value.
        for case (let option, let value?) in options { arguments.append("\(option)=\(value)") }
        for (name, value) in order.guards where name != "hook" {
            arguments.append("--\(name.replacing("_", with: "-"))=\(value)")
        }
        if endpoint.insecure { arguments.append("--insecure") }
        return order.piArguments.isEmpty ? arguments : arguments + ["--"] + order.piArguments
    }

    /// pi-socket's own last line, without its name: it knows best what was wrong and what helps.
    private static func failure(_ outcome: ProgramOutcome) -> Failure {
        let status = outcome.status == .success ? .peerProtocol : outcome.status
        guard let line = outcome.errors.split(separator: "\n").last else {
            return Failure(status, "pi-socket ended with status \(outcome.status.rawValue) and said nothing")
        }
        let prefix = "pi-socket: "
        return Failure(status, String(line.hasPrefix(prefix) ? line.dropFirst(prefix.count) : line))
    }

    private static func makeFolder(_ name: String?, in folder: String) throws(Failure) -> String {
        guard let name else { return folder }
        let parts = name.split(separator: "/")
        guard !name.hasPrefix("/"), !parts.isEmpty, !parts.contains(".."), !parts.contains(".") else {
            throw Failure(.usage, "--new-folder must be a relative path without '.' and '..', not '\(name)'")
        }
        var path = folder
        for part in parts {
            path += "/" + part
            guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
                throw Failure(.cannotCreate, "cannot create \(path): \(String(cString: strerror(errno)).lowercased())")
            }
        }
        return path
    }
}

extension Batch {
    /// Starts them all without a hypivisor.
    func run(with starter: LocalStarter) async throws -> ExitStatus {
        try await run(starter)
    }
}

extension ConnectError {
    /// Whether nobody is there to answer.
    var isAbsence: Bool {
        switch self {
        case .unreachable, .timedOut: true
        case .refused, .notWebSocket, .tokenInTheClear, .untrusted, .strangersListener, .unknownListener: false
        }
    }
}
