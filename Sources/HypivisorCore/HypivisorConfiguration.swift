public import HypiNet
import HypiWire
public import NIOCore

extension Hypivisor {
    /// Everything a hypivisor needs to know, checked.
    public struct Configuration: Sendable {
        /// The address or name to bind.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int
        /// Who may open a connection; its token is also shown to agents that are dialled.
        public var policy: HandshakePolicy
        /// Connections at once; beyond it the answer is 503.
        public var connectionLimit = Limits.connections
        /// What `wss://` is served with; `nil`: `ws://`.
        public var certificate: TLSCertificate?
        /// How long an offline node stays listed.
        public var nodeTTL = TimeAmount.seconds(Limits.nodeTTLSeconds)
        /// Time between pings on a quiet connection.
        public var heartbeat = TimeAmount.seconds(Limits.heartbeatSeconds)
        /// Bytes that may wait for a registry client; beyond it the client is closed with 1013.
        var outboxLimit = Limits.subscriberBytes
        /// The folders that may be looked at and in which agents may be started.
        public var roots: Roots
        /// How agents are started.
        public var spawning: Spawning
        /// Gets every roster event as JSON text, on the registry's loop; must not block.
        public var onEvent: @Sendable ([UInt8]) -> Void = { _ in }

        /// A configuration; what is not named has its default.
        public init(host: String = "127.0.0.1", port: Int, policy: HandshakePolicy, roots: Roots, spawning: Spawning) {
            self.host = host
            self.port = port
            self.policy = policy
            self.roots = roots
            self.spawning = spawning
        }
    }

    /// How agents are started.
    public struct Spawning: Sendable {
        /// The program that starts one, with its first arguments; `nil` if there is none.
        public var command: [String]?
        /// Our own environment, of which agents get what ``SpawnEnvironment`` lets through.
        public var environment: [String: String]
        /// Which variables those are.
        public var passing = SpawnEnvironment()
        /// `HYPI_TOKEN_FILE`, or `HYPI_TOKEN` where the token came as text, with its value; empty under `--no-auth`.
        public var tokenVariable: [String: String] = [:]
        /// Whether agents are started at all.
        public var isEnabled = true
        /// Which commands a request may bring along.
        public var permissions = SpawnPermissions()
        /// How many agents from spawn requests may live on this machine.
        public var agentLimit = Limits.agents
        /// How long agents of a predecessor have to come back before a key, or an id to relay to, counts as unknown.
        public var rejoinTime = TimeAmount.seconds(Limits.rejoinSeconds)
        /// How long an agent may take to be ready.
        public var startTime = Duration.seconds(Limits.spawnSeconds)
        /// How long a spawn waits for the registration of an agent that is ready.
        public var registrationTime = TimeAmount.seconds(Limits.registrationSeconds)

        /// Starts agents with a command.
        public init(command: [String]?, environment: [String: String]) {
            self.command = command
            self.environment = environment
        }
    }
}
