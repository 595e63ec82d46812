/// A registered agent: who runs where, and how it is (specs/protocol.md, section 1).
///
/// Absent means unknown; nothing is ever invented. Fields that this version does not know are kept and passed on.
public struct Node: Sendable, Equatable {
    /// Whether the agent's registration stands.
    public enum Status: String, Sendable, CaseIterable {
        /// Its connection is open and alive.
        case active
        /// Its connection ended; the entry stays until its TTL has passed.
        case offline
    }

    /// What an agent does right now.
    public enum Activity: RawRepresentable, Sendable, Hashable, CaseIterable {
        /// pi has not answered yet.
        case starting
        /// Nothing runs; a prompt would start at once.
        case idle
        /// A turn runs.
        case working
        /// A dialog waits for a person.
        case inputRequired
        /// A failed request is about to be tried again.
        case retrying
        /// The conversation is being summarised.
        case compacting
        /// A guard stopped the agent; a person has to resume it.
        case blocked
        /// It was asked to end, and finishes its turn.
        case stopping
        /// Something that this version has no name for; passed on as it came.
        case other(String)

        /// Those that this version knows by name.
        public static let allCases: [Activity] = [
            .starting, .idle, .working, .inputRequired, .retrying, .compacting, .blocked, .stopping,
        ]

        /// An activity by its name on the wire, known or not.
        public init(rawValue: String) {
            self = Self.allCases.first { $0.rawValue == rawValue } ?? .other(rawValue)
        }

        /// The name on the wire.
        public var rawValue: String {
            switch self {
            case .starting: "starting"
            case .idle: "idle"
            case .working: "working"
            case .inputRequired: "input-required"
            case .retrying: "retrying"
            case .compacting: "compacting"
            case .blocked: "blocked"
            case .stopping: "stopping"
            case .other(let name): name
            }
        }
    }

    /// Unique among all machines: `<folder>-<6 characters>`.
    public var id: String
    /// The host name of the agent's machine.
    public var machine: String
    /// The folder the agent works in, absolute, on its machine.
    public var cwd: String
    /// The port of the agent's own endpoint.
    public var port: Int
    /// Whether the registration stands.
    public var status: Status
    /// The bridge's process id on its machine.
    public var pid: Int?
    /// The last sign of life, in epoch seconds.
    public var lastSeen: Int?
    /// When the agent's connection ended, in epoch seconds.
    public var offlineSince: Int?
    /// The session's display name, or the name given at start.
    public var name: String?
    /// pi's session id.
    public var sessionID: String?
    /// pi's session file, on the agent's machine.
    public var sessionFile: String?
    /// What the agent does.
    public var activity: Activity?
    /// Since when it does it, RFC 3339 with milliseconds.
    public var activitySince: String?
    /// `provider/model`.
    public var model: String?
    /// The thinking level.
    public var thinking: String?
    /// US dollars so far.
    public var cost: Double?
    /// Tokens so far.
    public var tokens: Int?
    /// How full the model's context is, in percent.
    public var contextPercent: Double?
    /// Prompts that wait.
    public var queued: Int?
    /// Viewers that are connected.
    public var clients: Int?
    /// When the bridge started, RFC 3339 with milliseconds.
    public var startedAt: String?
    /// The address the registry saw the agent come from.
    public var address: String?
    /// Whether the agent is reached through a connection that it opens itself.
    public var tunnel: Bool?
    /// The SHA-256 pin of the certificate that the agent's own endpoint shows; absent where it speaks plain `ws://`.
    public var tlsPin: String?
    /// The spawn request this agent came from.
    public var spawnID: String?
    /// The idempotency key of that request.
    public var key: String?
    /// The version of the bridge.
    public var version: String?
    /// Fields this version does not know, in the order they came.
    public var extra: JSONObject = [:]

    /// Its registration has ended: what it does right now is not known any more.
    public mutating func goOffline() {
        status = .offline
        (activity, activitySince, queued, clients) = (nil, nil, nil, nil)
    }

    /// A node with the fields that version 1 requires.
    public init(id: String, machine: String, cwd: String, port: Int, status: Status = .active) {
        self.id = id
        self.machine = machine
        self.cwd = cwd
        self.port = port
        self.status = status
    }
}
