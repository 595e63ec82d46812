/// Every bound of the system in one place: its unit, and what happens beyond it.
public enum Limits {
    /// The longest record of pi, in bytes; a longer one is logged and dropped.
    ///
    /// A conversation may be longer: of it, this is the longest message, and what is held at most.
    public static let recordBytes = 64 << 20
    /// The longest frame we send or accept, in bytes; longer messages go out in several frames, longer frames come in
    /// as close code 1009.
    public static let frameBytes = 16 << 20
    /// Frames up to this length pass a relay as a whole, in bytes; of longer ones each piece is passed on as it comes.
    public static let framePartBytes = 16 << 10
    /// The longest message a server accepts from a client, in bytes; beyond it the connection is closed with 1009.
    public static let clientMessageBytes = 16 << 20
    /// The longest message a client accepts from a server, in bytes: a record of pi and its envelope, or a snapshot.
    public static let serverMessageBytes = 128 << 20
    /// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
    public static let controlPayloadBytes = 125
    /// Bytes of request line and header fields before the upgrade, and bytes that a peer may send after them before it has
    /// our answer; beyond either the answer is 400 and the end.
    public static let requestHeadBytes = 16 << 10
    /// Bytes of the body of a server's refusal; beyond it a client hangs up, since it shows one line.
    public static let refusalBodyBytes = 16 << 10
    /// The shortest message that is compressed, in bytes (RFC 7692); shorter ones gain nothing.
    public static let deflatedFrameBytes = 32
    /// The shortest message for one viewer alone that is compressed, in bytes: each takes a stream of its own.
    public static let deflatedDirectBytes = 1 << 10
    /// The longest message that is compressed, in bytes; longer ones go as they are, since compressing holds up all others.
    public static let deflatedMessageBytes = 1 << 20
    /// Compressed frames kept for the viewers that share them, in bytes; one further behind gets uncompressed ones.
    public static let deflatedLogBytes = 1 << 20
    /// Bytes of frames after which the compressed stream may begin anew for a viewer that waits to join it.
    public static let deflateRestartBytes = 64 << 10
    /// Bytes that may wait to be written to a peer that reads slowly; beyond it the peer is closed with 1013.
    public static let outboxBytes = 8 << 20
    /// Bytes that a tool has been sent and has not read yet; beyond it the tool's connection stops reading.
    public static let streamBytes = 8 << 20
    /// Refused attempts a minute from one address; beyond it the answers to further wrong ones are delayed.
    public static let refusalsPerMinute = 20
    /// The delay of the answer to an attempt from such an address.
    public static let refusalDelaySeconds: Int64 = 2
    /// Attempts from one address whose answers are delayed at the same time; beyond it an attempt is refused unread.
    public static let delayedRefusals = 8
    /// Addresses whose refusals are remembered; beyond it the oldest is forgotten.
    public static let refusalAddresses = 4096
    /// The shortest token, in characters, that is hopeless to guess however fast; a server that listens beyond loopback
    /// takes no shorter one.
    public static let tokenCharacters = 32
    /// Connections of one server that are through the handshake, unless `--max-connections` says otherwise; beyond it the
    /// answer is 503.
    public static let connections = 20_000
    /// Connections of one server that are not through the handshake; beyond it the oldest of them is closed.
    ///
    /// A server that may open few descriptors has fewer: an eighth of them.
    public static let pendingConnections = 1024
    /// Those of one address, all of loopback being one; beyond it the oldest of that address is closed.
    public static let pendingPerAddress = 256

    /// Plaintext that waits for a TLS handshake, and answers of the TLS layer that the peer does not take, in bytes each;
    /// beyond it the connection ends.
    public static let tlsQueueBytes = 1 << 20

    /// Time from accepting a connection to the end of its handshake.
    public static let handshakeSeconds: Int64 = 10
    /// Time a peer has to answer our close frame.
    public static let closeSeconds: Int64 = 3
    /// Time between two pings on a quiet connection; two without any sign of life end it.
    public static let heartbeatSeconds: Int64 = 15

    /// The length of a log file, in bytes; a longer one is put aside as `<file>.1`, over the one before.
    public static let logBytes = 16 << 20
    /// Log lines that wait to be written, in bytes; what comes beyond it is counted and lost.
    public static let logQueueBytes = 1 << 20
    /// Time at exit to write the log lines that wait, in milliseconds.
    public static let logFlushMilliseconds: Int64 = 500

    /// Frames kept for slow viewers and for replay, in bytes; the oldest go first.
    public static let replayBytes = 16 << 20
    /// The newest part of a conversation that `init_state` carries, in bytes; the rest is `truncated`.
    public static let initStateBytes = 500_000
    /// A file sent with `attach_file`, decoded, in bytes; a larger one is refused in its acknowledgement.
    public static let attachmentBytes = 10 << 20
    /// Commands remembered by `clientMessageId`; a repeat within them is answered again and not executed again.
    public static let rememberedCommands = 1024
    /// Commands that wait for pi to take them; beyond it a command is refused.
    public static let queuedCommands = 256
    /// Bytes of the prompts and images that wait for their turn; beyond it a prompt is refused.
    public static let queuedPromptBytes = 64 << 20
    /// Reasons that a log gets while an agent is without its hypivisor; what comes beyond it is not told.
    public static let outageReasons = 8
    /// Bytes of pi's last words on stderr that are kept for messages.
    public static let stderrTailBytes = 64 << 10

    /// Roster events kept for reconnecting clients; a cursor older than them gets a full `init`.
    public static let registryEvents = 4096
    /// Requests that one registry connection may have under way; beyond it a request is refused with `busy`.
    public static let concurrentRequests = 64
    /// Bytes of those roster events; the oldest go first.
    public static let registryEventBytes = 16 << 20
    /// The longest message of a registry connection, in bytes; beyond it the connection is closed with 1009.
    public static let registryMessageBytes = 256 << 10
    /// Bytes that may wait for a registry client, enough for a whole roster; beyond it the client is closed with 1013.
    ///
    /// Events are shared by all clients, so this is not multiplied by them.
    public static let subscriberBytes = 24 << 20
    /// Nodes of one registry; beyond it a registration is refused with `busy`.
    public static let nodes = 20_000
    /// Nodes that one connection may register, where an agent registers one; beyond it the answer is `busy`.
    public static let connectionNodes = 64
    /// How long an offline node stays listed, in seconds, unless `--node-ttl` says otherwise.
    public static let nodeTTLSeconds: Int64 = 30
    /// How many TTLs an active node may be silent before it is removed.
    public static let staleFactor = 3
    /// Time an agent has to open a tunnel that it was asked for.
    public static let tunnelSeconds: Int64 = 10
    /// Tunnels that an agent dials at the same time; one more is not opened, and its viewer is told so in time.
    public static let openingTunnels = 32
    /// Bytes of a relay that are on their way from one event loop to another; beyond it the sender is not read.
    public static let relayBytes = 64 << 10
    /// Frames that wait at one end of a relay until the other is there; beyond it the sender is not read.
    public static let relayFrames = 1024
    /// Agents that hypivisor started and that live, unless `--max-agents` says otherwise; beyond it a spawn is refused
    /// with `busy`.
    public static let agents = 64
    /// Time a started agent has to be ready; beyond it the start has failed.
    public static let spawnSeconds: Int64 = 30
    /// Time a ready agent has to register before the spawn is answered without it.
    public static let registrationSeconds: Int64 = 5
    /// Time after our own start in which agents of a predecessor come back; a spawn with a key waits for it.
    public static let rejoinSeconds: Int64 = 3
    /// Threads that look at directories; a slow disk holds up these and nothing else.
    public static let directoryThreads = 4
    /// Folders that one listing looks at; the rest is left out.
    public static let directoryEntries = 100_000
    /// Time from a stop signal to the end of every connection, in milliseconds.
    public static let stopMilliseconds: Int64 = 1500
}
