import HypiNet
import HypiWire
import NIOCore
import NIOPosix

@testable import ChatCore

/// A bridge in the test's own process: it speaks the session dialect as specs/protocol.md has it, and does what a test
/// tells it, including what a real one does rarely.
///
/// All state belongs to the one loop; that is the proof behind `@unchecked Sendable`.
final class FakeAgent: @unchecked Sendable {
    typealias Script = @Sendable (JSONObject, FakeAgent) -> Void

    let loop: any EventLoop
    private let group: MultiThreadedEventLoopGroup
    private let script: Script
    private var server: WebSocketServer?
    private var log: [(seq: Int, frame: JSON)] = []
    private var viewers: [Viewer] = []
    private var answered: [String: JSON] = [:]
    private(set) var executed: [JSONObject] = []
    private(set) var helloCount = 0
    var boot = "boot-1"
    var messages: [JSON] = []
    var partial: JSON?
    var pending: [JSON] = []
    var activity = "idle"
    var commands: [JSON] = []
    /// The connection ends after this many event frames.
    var cutAfter: Int?
    /// Nobody may resume: every welcome is a snapshot.
    var forgets = false

    /// A fake that runs `script` for every command it has not seen before.
    static func start(_ script: @escaping Script) async throws -> FakeAgent {
        let agent = FakeAgent(script)
        let policy = HandshakePolicy(token: nil, machine: "test")
        agent.server = try await WebSocketServer.start(
            .init(host: "127.0.0.1", port: 0, policy: policy), on: agent.group
        ) { _ in
            .webSocket(subprotocol: "pi-server.v1") { _, _ in Viewer(agent) }
        }
        return agent
    }

    private init(_ script: @escaping Script) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        loop = group.next()
        self.script = script
    }

    var endpoint: AgentEndpoint {
        AgentEndpoint(direct: WebSocketURL(host: "127.0.0.1", port: server?.port ?? 0, path: "/"), options: .init())
    }

    func connection(patience: Duration = .seconds(10)) -> AgentConnection {
        AgentConnection(to: endpoint, patience: patience, on: MultiThreadedEventLoopGroup.singleton)
    }

    func stop() async throws {
        await server?.stopAccepting()
        try await loop.submit { for viewer in self.viewers { viewer.socket?.drop() } }.get()
        try await group.shutdownGracefully()
    }

    // MARK: What a script does; only from the loop

    func emit(_ record: JSON) {
        send(["type": "event", "seq": .int(log.count + 1), "payload": record])
    }

    func emitDialog(_ record: JSONObject) {
        var frame = record
        frame["type"] = "extension_ui_request"
        frame["seq"] = .int(log.count + 1)
        send(.object(frame))
    }

    /// A frame for everybody that no replay has.
    func tell(_ frame: JSON) {
        for viewer in viewers where viewer.isWelcomed { viewer.socket?.send(json: frame) }
    }

    func answer(_ command: JSONObject, _ fields: JSONObject = ["success": true]) {
        var payload: JSONObject = [
            "id": command["id"] ?? .null, "type": "response", "command": command["type"] ?? .null,
        ]
        for field in fields.members { payload[field.key] = field.value }
        let frame: JSON = ["type": "response", "payload": .object(payload)]
        if let id = command["id"]?.string { answered[id] = frame }
        tell(frame)
    }

    /// Every connection ends without a close frame, as in a broken network.
    func cut() {
        for viewer in viewers { viewer.socket?.drop() }
    }

    func after(_ delay: TimeAmount, _ body: @escaping @Sendable () -> Void) {
        loop.scheduleTask(in: delay, body)
    }

    /// A run with one answer, as pi 0.84 writes it.
    func run(_ prompt: String, _ deltas: [String], stop: String = "stop", settles: Bool = true) {
        begin(prompt)
        answerMessage(deltas, stop: stop)
        if settles { settle() }
    }

    func begin(_ prompt: String) {
        emit(["type": "agent_start"])
        emit(["type": "turn_start"])
        user(prompt)
    }

    func user(_ prompt: String) {
        let message: JSON = ["role": "user", "content": [["type": "text", "text": .string(prompt)]]]
        emit(["type": "message_start", "message": message])
        emit(["type": "message_end", "message": message])
        messages.append(message)
    }

    func answerMessage(_ deltas: [String], stop: String = "stop", error: String? = nil) {
        emit(["type": "message_start", "message": ["role": "assistant", "content": []]])
        for delta in deltas { emit(Self.delta(delta)) }
        endMessage(deltas.joined(), stop: stop, error: error)
    }

    func endMessage(_ text: String, stop: String = "stop", error: String? = nil) {
        var message: JSONObject = [
            "role": "assistant", "content": [["type": "text", "text": .string(text)]], "stopReason": .string(stop),
        ]
        message["errorMessage"] = error.map(JSON.string)
        emit(["type": "message_end", "message": .object(message)])
        messages.append(.object(message))
    }

    func settle() {
        emit(["type": "agent_end", "messages": [], "willRetry": false])
        emit(["type": "agent_settled"])
    }

    static func delta(_ text: String) -> JSON {
        [
            "type": "message_update",
            "assistantMessageEvent": ["type": "text_delta", "contentIndex": 0, "delta": .string(text)],
        ]
    }

    // MARK: The dialect

    private func send(_ frame: JSON) {
        log.append((log.count + 1, frame))
        for viewer in viewers where viewer.isWelcomed { viewer.send(event: frame) }
    }

    fileprivate func receive(_ frame: JSONObject, from viewer: Viewer) {
        switch frame["type"]?.string {
        case "hello": welcome(viewer, frame)
        case "command":
            guard let payload = frame["payload"]?.object, let id = frame["clientMessageId"]?.string else { return }
            if let answer = answered[id] {
                viewer.socket?.send(json: answer)
            } else if !executed.contains(where: { $0["id"]?.string == id }) {
                executed.append(payload)
                script(payload, self)
            }
        default:
            executed.append(frame)
            script(frame, self)
        }
    }

    private func welcome(_ viewer: Viewer, _ hello: JSONObject) {
        helloCount += 1
        let last = hello["lastSeq"]?.int
        let resumes = last != nil && hello["boot"]?.string == boot && !forgets
        var frame: JSONObject = [
            "type": "welcome", "protocolVersion": 1, "serverId": "fake", "boot": .string(boot),
            "resumed": .bool(resumes), "currentSeq": .int(log.count), "sessionState": ["activity": .string(activity)],
            "messages": .array(resumes ? [] : messages), "pending": .array(pending), "queued": 0,
            "commands": .array(commands),
        ]
        if !resumes { frame["partial"] = partial }
        viewer.isWelcomed = true
        viewer.socket?.send(json: .object(frame))
        guard resumes, let last else { return }
        for entry in log where entry.seq > last { viewer.send(event: entry.frame) }
    }

    fileprivate func arrived(_ viewer: Viewer) { viewers.append(viewer) }
    fileprivate func left(_ viewer: Viewer) { viewers.removeAll { $0 === viewer } }
}

private final class Viewer: WebSocketEndpoint {
    private let agent: FakeAgent
    var socket: WebSocket?
    var isWelcomed = false
    private var eventCount = 0

    init(_ agent: FakeAgent) {
        self.agent = agent
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        agent.arrived(self)
    }

    func received(_ message: Message) {
        guard let frame = (try? JSON(parsing: message.payload))?.object else { return }
        agent.receive(frame, from: self)
    }

    func send(event: JSON) {
        guard let socket, socket.isOpen else { return }
        eventCount += 1
        if let limit = agent.cutAfter, eventCount > limit { return socket.drop() }
        socket.send(json: event)
    }

    func closed(_ closure: Closure) {
        socket = nil
        agent.left(self)
    }
}
