import HypiNet
import HypiWire

/// What a program's exit status says (specs/requirements.md, X-EXIT); the numbers follow sysexits(3).
public struct ExitStatus: RawRepresentable, Sendable, Hashable {
    /// The number the shell sees.
    public var rawValue: Int32

    /// A status from its number.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// Done.
    public static let success = ExitStatus(rawValue: 0)
    /// A true negative, or the agent's own failure.
    public static let failure = ExitStatus(rawValue: 1)
    /// The command line is wrong.
    public static let usage = ExitStatus(rawValue: 64)
    /// An input record is wrong.
    public static let badInput = ExitStatus(rawValue: 65)
    /// The hypivisor or the agent cannot be reached.
    public static let unreachable = ExitStatus(rawValue: 69)
    /// A defect of ours.
    public static let defect = ExitStatus(rawValue: 70)
    /// The system refused.
    public static let system = ExitStatus(rawValue: 71)
    /// Something cannot be created.
    public static let cannotCreate = ExitStatus(rawValue: 73)
    /// Reading or writing failed.
    public static let inputOutput = ExitStatus(rawValue: 74)
    /// Busy: try again.
    public static let tryAgain = ExitStatus(rawValue: 75)
    /// The peer broke the protocol.
    public static let peerProtocol = ExitStatus(rawValue: 76)
    /// Refused: token or origin.
    public static let refused = ExitStatus(rawValue: 77)
    /// Configuration or environment is wrong.
    public static let configuration = ExitStatus(rawValue: 78)
    /// The tool's own `--timeout` passed.
    public static let timedOut = ExitStatus(rawValue: 124)
}

/// Why a program cannot do what it was asked: one line for people, one status for scripts.
public struct Failure: Error, Sendable, Equatable {
    /// The exit status.
    public var status: ExitStatus
    /// What failed, on what, and why; no period.
    public var message: String
    /// What would help, if anything is known to.
    public var hint: String?

    /// A failure.
    public init(_ status: ExitStatus, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }

    /// The line behind the tool's name.
    public var line: String {
        (message + (hint.map { " (\($0))" } ?? "")).withoutControlCharacters
    }
}

extension Failure: CustomStringConvertible {
    /// The same line, for whoever knows no more than that it is an error.
    public var description: String { line }
}

extension Failure {
    /// Turns any error a tool meets into words and a status; the only place that does.
    public init(_ error: any Error) {
        switch error {
        case let error as Failure: self = error
        case let error as ConnectError: self.init(connecting: error)
        case let error as RegistryFault: self.init(registry: error)
        case let error as MessageStream.ConnectionLost: self.init(lost: error.closure)
        case let error as RegistryClient.ProtocolFault:
            self.init(.peerProtocol, "the peer broke the protocol: \(error.reason)")
        case let error as WebSocketServer.BindError: self.init(binding: error)
        case let error as TargetWord.Fault: self = error.failure
        case is CancellationError: self.init(.defect, "cancelled")
        default: self.init(.defect, "unexpected error: \(error)")
        }
    }

    private init(connecting error: ConnectError) {
        let words = "\(error)"
        switch error {
        case .unreachable(let url, _): self.init(.unreachable, words, hint: Self.startHint(url))
        case .timedOut: self.init(.unreachable, words, hint: "see --timeout")
        case .refused(_, let status, _):
            let hint =
                status == 401 ? "the token is in HYPI_TOKEN, HYPI_TOKEN_FILE or ~/.config/hyper-pi/token" : nil
            self.init(error.isRefusedEntry ? .refused : .peerProtocol, words, hint: hint)
        case .notWebSocket: self.init(.peerProtocol, words, hint: "another program may have this port")
        case .tokenInTheClear:
            self.init(.refused, words, hint: "use wss:// or an ssh tunnel, or --insecure on a network you trust")
        case .strangersListener:
            self.init(.refused, words, hint: "choose another port, or ask them to leave this one")
        case .unknownListener: self.init(.refused, words, hint: "use the hypivisor's Unix socket, or wss://")
        case .untrusted(_, let error): self.init(tls: error, words)
        }
    }

    private init(tls error: TLSError, _ words: String) {
        switch error {
        case .unusable: self.init(.configuration, words, hint: "see --ca-file")
        case .notTLS: self.init(.peerProtocol, words, hint: "is it ws:// there?")
        case .untrusted: self.init(.refused, words, hint: "see --ca-file, or --tls-pin if it is self-signed")
        case .otherPin: self.init(.refused, words, hint: "see --tls-pin, if that is the right one")
        default: self.init(.peerProtocol, words)
        }
    }

    private static func startHint(_ url: WebSocketURL) -> String {
        url.path == "/ws" && url.isLoopback ? "start it with 'hypivisor'" : "is it running, and is the port right?"
    }

    private init(registry fault: RegistryFault) {
        let status: ExitStatus
        switch fault.code {
        case .invalidParams, .outsideRoots: status = .usage
        case .notFound: status = .failure
        case .offline, .unreachable: status = .unreachable
        case .busy, .sessionInUse: status = .tryAgain
        case .forbidden: status = .refused
        case .spawnFailed: status = .failure
        case .systemError: status = .system
        default: status = .peerProtocol
        }
        self.init(status, fault.message, hint: fault.code == .outsideRoots ? "see hypivisor --root" : nil)
    }

    private init(lost closure: Closure) {
        let reason = closure.reason.isEmpty ? "" : ": \(closure.reason)"
        switch closure.code {
        case .goingAway: self.init(.unreachable, "the connection was closed by the server\(reason)")
        case .tryAgainLater: self.init(.tryAgain, "the server asks to come back later\(reason)")
        case .abnormal: self.init(.unreachable, "the connection was lost\(reason)")
        default: self.init(.peerProtocol, "the connection was closed with code \(closure.code.rawValue)\(reason)")
        }
    }

    private init(binding error: WebSocketServer.BindError) {
        switch error {
        case .portTaken(let host, let port):
            self.init(
                .cannotCreate, "cannot listen on \(host):\(port): address already in use",
                hint: "choose another with --port, or 0 for any")
        case .refused(let host, let port, let reason):
            self.init(.cannotCreate, "cannot listen on \(host):\(port): \(reason)")
        case .openWithoutToken(let host):
            self.init(
                .configuration, "will not listen on \(host) without a token", hint: "--no-auth works on loopback only")
        case .shortToken(let host):
            self.init(
                .configuration,
                "will not listen on \(host) with a token of fewer than \(Limits.tokenCharacters) characters",
                hint: "'openssl rand -hex 32' makes a good one")
        }
    }
}
