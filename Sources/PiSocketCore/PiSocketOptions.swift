public import HypiNet
public import HypiWire

/// Where a bridge registers.
public struct RegistryTarget: Sendable {
    /// The registry's endpoint.
    public var url: WebSocketURL
    /// How to connect to it.
    public var options: WebSocketClient.Options
    /// Whether that hypivisor runs on this very machine, so that it can dial our port; a loopback address alone does not
    /// say so, since it may be the near end of an ssh tunnel.
    public var isLocal: Bool

    /// A target.
    public init(url: WebSocketURL, options: WebSocketClient.Options, isLocal: Bool) {
        self.url = url
        self.options = options
        self.isLocal = isLocal
    }
}

/// Everything a bridge is started with; validated, and fixed for the life of the process.
public struct PiSocketOptions: Sendable {
    /// When pi is started again after it ended.
    public enum Restart: String, Sendable, CaseIterable {
        /// After a crash, at most three times in ten minutes.
        case onFailure = "on-failure"
        /// Never.
        case never
    }

    /// pi as words: the command and what always goes with it.
    public var piCommand: [String]
    /// The program that becomes pi's ``PiKeeper`` when it is started under that name: this very one.
    public var keeper = Executable.ownProgram
    /// What goes to pi behind `--mode rpc`.
    public var piArguments: [String]
    /// The file of the extension that tells pi's tools; `nil` leaves it out.
    public var extensionFile: String?
    /// Whether our own standard input and output are a viewer, in pi's own protocol.
    public var isStdio = false
    /// The environment of pi; secrets have been taken out.
    public var piEnvironment: [String: String]
    /// The environment of hooks.
    public var hookEnvironment: [String: String]
    /// The working directory.
    public var folder: AgentFolder
    /// The node's id.
    public var id: String
    /// The name given at start.
    public var name: String?
    /// The machine's name.
    public var machine: String
    /// The address to listen on.
    public var host: String
    /// The ports to try, in order; 0 lets the system choose.
    public var ports: [Int]
    /// Who may connect.
    public var policy: HandshakePolicy
    /// What `wss://` is served with; `nil`: `ws://`.
    public var certificate: TLSCertificate?
    /// Viewers at once.
    public var viewerLimit: Int
    /// Bytes of frames kept for slow viewers and replay.
    public var replayBytes: Int
    /// Time after which a dialog that nobody is there to answer is cancelled.
    public var uiTimeout: Duration?
    /// When pi is started again.
    public var restart: Restart
    /// Time for pi to end its turn when it is asked to stop.
    public var grace: Duration
    /// Time without a viewer and without work after which the bridge ends.
    public var idleExit: Duration?
    /// US dollars after which the agent is stopped.
    public var maxCost: Double?
    /// Time one run may take.
    public var maxTurn: Duration?
    /// How often the same failing tool call may come in a row.
    public var maxRepeats: Int?
    /// The command that is told what happens.
    public var hook: String?
    /// Where agents say which sessions they work on; `nil` says nothing and asks nobody.
    public var sessionLocks: String?
    /// The session file that pi is started on, absolute, as far as that is known beforehand.
    public var sessionFile: String?
    /// How the registry is reached, asked before every attempt; `nil` stands alone.
    public var registry: (@Sendable () throws -> RegistryTarget)?
    /// Hears of it when a hypivisor announces itself on this machine, and calls back, until what it returns is called;
    /// `nil`: nothing does.
    public var announcements:
        (@Sendable (_ announced: @escaping @Sendable () -> Void) async throws -> @Sendable () -> Void)?
    /// The first delay before another attempt to reach the registry.
    public var reconnectDelay: Duration
    /// The spawn request this bridge comes from.
    public var spawnID: String?
    /// The idempotency key of that request.
    public var key: String?

    /// Options with everything optional left off.
    public init(
        piCommand: [String], folder: AgentFolder, id: String, machine: String, ports: [Int], policy: HandshakePolicy
    ) {
        self.piCommand = piCommand
        piArguments = []
        piEnvironment = [:]
        hookEnvironment = [:]
        self.folder = folder
        self.id = id
        self.machine = machine
        host = "127.0.0.1"
        self.ports = ports
        self.policy = policy
        viewerLimit = Limits.connections
        replayBytes = Limits.replayBytes
        restart = .onFailure
        grace = .seconds(30)
        reconnectDelay = .milliseconds(500)
    }

    /// The path of the working directory.
    public var cwd: String { folder.path }

    /// An id for a new agent: the folder's name and six random characters.
    ///
    /// It begins with a letter or a digit, so that no program takes it for an option; what else is unusual in a name
    /// becomes a dash, and a name of which nothing is left becomes `agent`.
    public static func makeID(cwd: String) -> String {
        let folder = cwd.split(separator: "/").last.map(String.init) ?? "root"
        let plain = folder.unicodeScalars.map { scalar -> Character in
            let character = Character(scalar)
            return character.isASCII && (character.isLetter || character.isNumber || "._-".contains(character))
                ? character : "-"
        }
        let named = plain.drop { !$0.isLetter && !$0.isNumber }
        let safe = named.isEmpty ? Array("agent") : Array(named)
        let alphabet = Array("abcdefghjkmnpqrstuvwxyz23456789")
        var generator = SystemRandomNumberGenerator()
        let suffix = (0..<6).map { _ in alphabet.randomElement(using: &generator) ?? "x" }
        return String(safe.prefix(40)) + "-" + String(suffix)
    }
}

/// Why a bridge could not do its work.
public enum PiSocketError: Error, Sendable, Equatable {
    /// Another agent works on the session file; its id, where that is known.
    case sessionInUse(file: String, by: String?)
    /// The working directory is gone.
    case cannotUse(AgentFolder.Fault)
    /// pi was not started: not found, not executable.
    case cannotStart(command: String, reason: String)
    /// pi ended before it answered anything; how, and its complaint.
    case endedEarly(command: String, how: String, complaint: String)
    /// pi crashed and was not started again.
    case ended(how: String, complaint: String)
}
