import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A registry in the test's own process: a roster that the test changes, events with cursors, answers it decides on.
final class FakeRegistry: Sendable {
    /// Answers a request.
    typealias Responder = @Sendable (RegistryRequest, FakeRegistry) -> Result<JSON, RegistryFault>

    private struct Peer {
        var send: @Sendable (JSON) -> Void
        var drop: @Sendable () -> Void
    }

    private struct State {
        var nodes: [Node]
        var boot = "a"
        var number = 0
        var log: [(number: Int, event: RegistryEvent)] = []
        var peers: [Int: Peer] = [:]
        var nextPeer = 0
        var requests: [RegistryRequest] = []
        var isAway = false
        var isSilent = false
        var agentFrames: [(agent: String, frame: String)] = []
        var promptRefusal: String?
    }

    private let state: NIOLockedValueBox<State>
    private let server: NIOLockedValueBox<WebSocketServer?>
    private let respond: Responder
    private let openings: AsyncStream<String?>.Continuation
    /// The `since` of each connection, as it comes.
    let connections: AsyncStream<String?>
    private let turningsAway: AsyncStream<Void>.Continuation
    /// One element for each connection that was refused while it was away.
    let refusals: AsyncStream<Void>

    /// Starts a registry on a free port.
    static func start(
        _ nodes: [Node] = [], token: Token? = nil, respond: @escaping Responder = { _, _ in .success(true) }
    ) async throws -> FakeRegistry {
        let registry = FakeRegistry(nodes, respond)
        let policy = HandshakePolicy(token: token, machine: "test")
        let server = try await WebSocketServer.start(
            .init(host: "127.0.0.1", port: 0, policy: policy), on: MultiThreadedEventLoopGroup.singleton
        ) { request in
            if request.path.hasPrefix("/ws/agent/") {
                let id = String(request.path.dropFirst("/ws/agent/".count))
                return .webSocket(subprotocol: request.subprotocols.first) { _, _ in FakeAgentPeer(registry, id) }
            }
            guard request.path == "/ws" else { return .notFound }
            if registry.state.withLockedValue({ $0.isAway }) {
                registry.turningsAway.yield()
                return .answer(status: 503, body: "away")
            }
            return .webSocket { request, _ in FakeRegistryPeer(registry, since: request.parameter("since")) }
        }
        registry.server.withLockedValue { $0 = server }
        return registry
    }

    private init(_ nodes: [Node], _ respond: @escaping Responder) {
        state = NIOLockedValueBox(State(nodes: nodes))
        server = NIOLockedValueBox(nil)
        self.respond = respond
        (connections, openings) = AsyncStream.makeStream(of: String?.self)
        (refusals, turningsAway) = AsyncStream.makeStream(of: Void.self)
    }

    deinit {
        let server = server.withLockedValue { $0 }
        Task { await server?.stopAccepting() }
    }

    /// The registry endpoint, as `--hypivisor` takes it.
    var url: String {
        "ws://127.0.0.1:\(server.withLockedValue { $0?.port ?? 0 })/ws"
    }

    /// What it was asked so far.
    var requests: [RegistryRequest] {
        state.withLockedValue { $0.requests }
    }

    /// What viewers sent to agents, as `id frame`.
    var agentFrames: [(agent: String, frame: String)] {
        state.withLockedValue { $0.agentFrames }
    }

    /// Lets agents refuse prompts.
    func refusePrompts(_ reason: String) {
        state.withLockedValue { $0.promptRefusal = reason }
    }

    /// Its roster.
    var nodes: [Node] {
        state.withLockedValue { $0.nodes }
    }

    /// Changes the roster and tells everybody.
    func publish(_ event: RegistryEvent) {
        state.withLockedValue { state in
            switch event {
            case .nodeJoined(let node), .nodeUpdated(let node):
                state.nodes.removeAll { $0.id == node.id }
                state.nodes.append(node)
            case .nodeOffline(let id):
                if let index = state.nodes.firstIndex(where: { $0.id == id }) { state.nodes[index].status = .offline }
            case .nodeRemoved(let id): state.nodes.removeAll { $0.id == id }
            case .initial, .openTunnel, .stopAgent: break
            }
            state.number += 1
            state.log.append((state.number, event))
            for peer in state.peers.values { peer.send(event.json(cursor: "\(state.boot).\(state.number)")) }
        }
    }

    /// The `since` of the next connections that have been heard from, in order.
    ///
    /// - Throws: ``DeadlinePassed`` if fewer come within 20 s.
    func sinces(_ count: Int) async throws -> [String?] {
        let connections = connections
        return try await within(.seconds(20), "\(count) connections") {
            var sinces: [String?] = []
            for await since in connections.prefix(count) { sinces.append(since) }
            return sinces
        }
    }

    /// Drops all connections, as a network does.
    func dropConnections() {
        state.withLockedValue { state in
            for peer in state.peers.values { peer.drop() }
            state.peers = [:]
        }
    }

    /// Refuses new connections, or takes them again.
    func setAway(_ isAway: Bool) {
        state.withLockedValue { $0.isAway = isAway }
    }

    /// Answers no request any more.
    func setSilent() {
        state.withLockedValue { $0.isSilent = true }
    }

    /// Becomes another hypivisor: other nodes, no cursor of before is known.
    func restart(with nodes: [Node]) {
        state.withLockedValue { state in
            state.boot += "a"
            state.number = 0
            state.log = []
            state.nodes = nodes
        }
        dropConnections()
    }

    fileprivate func opened(
        since: String?, send: @escaping @Sendable (JSON) -> Void, drop: @escaping @Sendable () -> Void
    ) {
        state.withLockedValue { state in
            state.peers[state.nextPeer] = Peer(send: send, drop: drop)
            state.nextPeer += 1
            let cursor = "\(state.boot).\(state.number)"
            let parts = (since ?? "").split(separator: ".")
            guard parts.count == 2, parts[0] == state.boot, let number = Int(parts[1]) else {
                return send(RegistryEvent.initial(nodes: state.nodes, resumed: false).json(cursor: cursor))
            }
            send(RegistryEvent.initial(nodes: [], resumed: true).json(cursor: cursor))
            for entry in state.log where entry.number > number {
                send(entry.event.json(cursor: "\(state.boot).\(entry.number)"))
            }
        }
    }

    /// A client has given a sign of life: it knows that it is connected.
    fileprivate func heard(since: String?) {
        openings.yield(since)
    }

    /// An agent's answer to a frame, in the session dialect.
    fileprivate func answer(_ frame: String, to agent: String) -> [JSON] {
        let refusal = state.withLockedValue { state in
            state.agentFrames.append((agent, frame))
            return state.promptRefusal
        }
        guard let json = try? JSON(parsing: frame) else { return [] }
        switch json["type"]?.string {
        case "hello":
            return [
                ["type": "init_state", "messages": []],
                ["type": "welcome", "protocolVersion": 1, "serverId": .string(agent), "currentSeq": 0],
            ]
        case "command":
            var answer: JSONObject = [
                "type": "response", "command": "prompt", "id": json["payload"]?["id"] ?? .null,
                "success": .bool(refusal == nil),
            ]
            answer["error"] = refusal.map(JSON.string)
            return [
                ["type": "event", "seq": 1, "payload": ["type": "agent_start"]],
                ["type": "response", "payload": .object(answer)],
            ]
        default: return []
        }
    }

    fileprivate func answer(_ request: RegistryRequest) -> JSON? {
        let isSilent = state.withLockedValue { state in
            state.requests.append(request)
            return state.isSilent
        }
        guard !isSilent else { return nil }
        let outcome =
            request.method == "list_nodes" ? .success(.array(nodes.map(\.json))) : respond(request, self)
        return RegistryResponse(id: request.id, outcome: outcome).json
    }
}

private final class FakeRegistryPeer: WebSocketEndpoint {
    private let registry: FakeRegistry
    private let since: String?
    private var socket: WebSocket?
    private var hasBeenHeard = false

    init(_ registry: FakeRegistry, since: String?) {
        self.registry = registry
        self.since = since
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        let loop = socket.eventLoop
        let bound = NIOLoopBound(socket, eventLoop: loop)
        registry.opened(
            since: since, send: { json in loop.execute { bound.value.send(json: json) } },
            drop: { loop.execute { bound.value.drop() } })
        // Only its answer shows that the client has the answer to its handshake, which a loss would take with it.
        loop.execute { bound.value.send(Frame(opcode: .ping, payload: ByteBuffer())) }
    }

    func heard() {
        if !hasBeenHeard { registry.heard(since: since) }
        hasBeenHeard = true
    }

    func received(_ message: Message) {
        guard let json = try? JSON(parsing: message.payload), let request = try? RegistryRequest(json: json) else {
            return
        }
        if let answer = registry.answer(request) { socket?.send(json: answer) }
    }

    func closed(_ closure: Closure) {
        socket = nil
    }
}

private final class FakeAgentPeer: WebSocketEndpoint {
    private let registry: FakeRegistry
    private let id: String
    private var socket: WebSocket?

    init(_ registry: FakeRegistry, _ id: String) {
        self.registry = registry
        self.id = id
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
    }

    func received(_ message: Message) {
        for frame in registry.answer(String(buffer: message.payload), to: id) { socket?.send(json: frame) }
    }

    func closed(_ closure: Closure) {
        socket = nil
    }
}
