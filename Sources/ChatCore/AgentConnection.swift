import HypiNet
public import HypiWire
public import NIOCore
import PiAdapter

/// A conversation with one agent that outlives its connections.
///
/// It comes back by itself and resumes where it was: an event is told once, a command is carried out once. Commands that
/// were not answered go out again under the same `clientMessageId`, which the bridge remembers; only a bridge that was
/// restarted has forgotten, and then nothing is sent twice that would do something twice.
public actor AgentConnection {
    /// What a viewer may do.
    public enum Role: String, Sendable {
        /// Prompts, commands, answers.
        case controller
        /// Nothing but watch.
        case observer
    }

    /// Where events go; each is done before the next frame is read, which is how a slow reader slows its own stream.
    public typealias Handler = @Sendable (AgentEvent) async throws -> Void

    private struct Command {
        var id: String
        var type: String
        var frame: JSON
    }

    private struct Position {
        var boot: String
        var sequence: Int
    }

    private let endpoint: AgentEndpoint
    private let role: Role
    private let patience: Duration?
    private let group: any EventLoopGroup
    private let tellsViewers: Bool
    private let clientID: String
    private var commandCount = 0
    private var unanswered: [Command] = []
    private var stream: MessageStream?
    /// Characters of deltas of which the second half has not come.
    private var characters = SplitCharacters()
    private var isWelcomed = false
    private var isClosed = false
    private var position: Position?
    private var backoff = Backoff(first: .milliseconds(100), longest: .seconds(15))
    private var lostSince: ContinuousClock.Instant?
    private var lossesBeforeWelcome = 0

    /// Connections that may be lost before the first welcome came.
    private static let attemptsForWelcome = 5

    /// A conversation that has not begun.
    ///
    /// - Parameters:
    ///   - endpoint: Where the agent is.
    ///   - role: What we are going to do.
    ///   - patience: How long to try to come back after a connection was lost; `nil` means for good.
    ///   - tellsViewers: Whether the agent is to say when viewers come and go.
    ///   - group: Where connections' loops come from.
    public init(
        to endpoint: AgentEndpoint, role: Role = .controller, patience: Duration? = nil, tellsViewers: Bool = false,
        on group: any EventLoopGroup
    ) {
        self.tellsViewers = tellsViewers
        self.endpoint = endpoint
        self.role = role
        self.patience = patience
        self.group = group
        clientID = "hypi-attach-" + String(UInt64.random(in: .min ... .max), radix: 36)
    }

    // MARK: Commands

    /// Sends a command of pi's, now or as soon as there is a connection.
    ///
    /// - Parameters:
    ///   - command: The command; an id of its own is replaced.
    ///   - chosenID: The id to use instead of a fresh one; it must never have been used in this conversation.
    /// - Returns: The id that its ``AgentEvent/Kind/response(id:_:)`` will carry.
    /// - Throws: ``AgentFault/tooManyCommands(limit:)``; nothing was sent then.
    @discardableResult
    public func send(_ command: JSONObject, id chosenID: String? = nil) throws(AgentFault) -> String {
        guard unanswered.count < Limits.queuedCommands else { throw .tooManyCommands(limit: Limits.queuedCommands) }
        commandCount += 1
        let id = chosenID ?? "\(clientID)-\(commandCount)"
        var payload: JSONObject = ["id": .string(id)]
        for member in command.members where member.key != "id" { payload[member.key] = member.value }
        let frame: JSON = ["type": "command", "clientMessageId": .string(id), "payload": .object(payload)]
        unanswered.append(Command(id: id, type: command["type"]?.string ?? "", frame: frame))
        if isWelcomed { stream?.send(frame) }
        return id
    }

    /// Answers a dialog; without a connection nothing happens, and the dialog comes again with the next welcome.
    public func answer(_ dialog: DialogRequest, _ answer: DialogAnswer) {
        if isWelcomed { stream?.send(answer.frame(id: dialog.id)) }
    }

    /// Sends a frame of the bridge's own, or an `extension_ui_response`; without a connection nothing happens.
    func send(frame: JSON) {
        if isWelcomed { stream?.send(frame) }
    }

    /// Leaves the agent, which goes on; ``run(_:)`` returns when the connection is over.
    public func close() {
        isClosed = true
        stream?.close()
    }

    // MARK: Connections

    /// Connects, tells what happens, and comes back after every loss, until ``close()``.
    ///
    /// - Parameter handle: Where events go.
    /// - Throws: ``ConnectError`` if the first connection fails or the token is refused, ``AgentFault``, what `handle`
    ///   throws, or `CancellationError`.
    public func run(_ handle: Handler) async throws {
        while !isClosed {
            do {
                let stream = try await MessageStream.connect(to: endpoint.url, options: endpoint.options, on: group)
                try await converse(stream, handle)
                if !isClosed { try await wait(after: Self.farewell, AgentFault.gone(reason: Self.farewell), handle) }
            } catch let error as MessageStream.ConnectionLost {
                try await wait(after: Self.reason(error.closure), error, handle)
            } catch let error as ConnectError where position != nil && !error.isRefusedEntry {
                try await wait(after: "cannot reach \(endpoint.url.authority)", error, handle)
            } catch let fault as AgentFault where position != nil && fault.isPassing {
                try await wait(after: fault.reason, fault, handle)
            }
        }
    }

    private func converse(_ stream: MessageStream, _ handle: Handler) async throws {
        self.stream = stream
        isWelcomed = false
        defer {
            self.stream = nil
            isWelcomed = false
            stream.close()
        }
        if isClosed { return }
        stream.send(hello)
        for try await payload in stream.messages {
            try await receive(payload, handle)
        }
    }

    private func wait(after reason: String, _ error: any Error, _ handle: Handler) async throws {
        if isClosed { return }
        // A server that never welcomed us has nothing to come back to; a bad network deserves a few attempts.
        lossesBeforeWelcome += position == nil ? 1 : 0
        guard lossesBeforeWelcome < Self.attemptsForWelcome else { throw error }
        let since = lostSince ?? .now
        lostSince = since
        if let patience, ContinuousClock.now - since > patience { throw AgentFault.gone(reason: reason) }
        var random = SystemRandomNumberGenerator()
        let delay = backoff.next(using: &random)
        try await handle(AgentEvent(kind: .lost(reason: reason, retryIn: delay)))
        // The backoff between attempts; nothing tells when a network is back.
        if !isClosed { try await Task.sleep(for: delay) }
    }

    private var hello: JSON {
        var hello: JSONObject = [
            "type": "hello", "protocolVersion": 1, "clientId": .string(clientID), "stream": "delta",
            "role": .string(role.rawValue),
        ]
        if tellsViewers { hello["viewers"] = true }
        if let position {
            hello["lastSeq"] = .int(position.sequence)
            hello["boot"] = .string(position.boot)
        }
        return .object(hello)
    }

    private static let farewell = "the agent closed the connection"

    private static func reason(_ closure: Closure) -> String {
        closure.reason.isEmpty ? "connection lost (\(closure.code.rawValue))" : closure.reason
    }

    // MARK: Frames

    private func receive(_ payload: ByteBuffer, _ handle: Handler) async throws {
        let frame: JSON
        do {
            // A bridge other than ours sends the halves of a character as they come.
            frame = try JSON(parsingPruned: characters.join(frame: payload))
        } catch {
            throw AgentFault.malformed("a frame is not JSON: \(error)")
        }
        guard isWelcomed else { return try await receiveFirst(frame, payload, handle) }
        guard let event = take(frame, payload) else { return }
        try await handle(event)
    }

    /// Before the welcome: the relay may refuse, the bridge may refuse, and a bridge that was not offered the
    /// subprotocol (an old relay drops it) says its `init_state` first.
    private func receiveFirst(_ frame: JSON, _ raw: ByteBuffer, _ handle: Handler) async throws {
        switch frame["type"]?.string {
        case "welcome":
            let welcome = Welcome(frame)
            let isSameRun = position == nil || (welcome.boot != nil && welcome.boot == position?.boot)
            isWelcomed = true
            lostSince = nil
            backoff.reset()
            let isResumed = welcome.isResumed && isSameRun && position != nil
            let sequence = isResumed ? position?.sequence ?? welcome.currentSeq : welcome.currentSeq
            position = Position(boot: welcome.boot ?? "", sequence: sequence)
            // Before the handler sends anything new, so that commands stay in order.
            let forgotten = sendAgain(isSameRun: isSameRun)
            try await handle(AgentEvent(kind: isResumed ? .resumed(welcome) : .welcome(welcome), raw: raw))
            for event in forgotten { try await handle(event) }
        case "error":
            throw AgentFault.helloRefused(
                code: frame["code"]?.string ?? "", message: frame["message"]?.string ?? frame.text)
        case nil where frame["error"] != nil:
            throw AgentFault.relayRefused(
                code: frame["code"]?.string ?? "", message: frame["error"]?.string ?? frame.text)
        default: break
        }
    }

    private func sendAgain(isSameRun: Bool) -> [AgentEvent] {
        let commands = unanswered
        guard !isSameRun else {
            for command in commands { stream?.send(command.frame) }
            return []
        }
        unanswered = commands.filter { $0.type.hasPrefix("get_") }
        for command in unanswered { stream?.send(command.frame) }
        return commands.filter { !$0.type.hasPrefix("get_") }.map { command in
            let response: JSON = [
                "id": .string(command.id), "type": "response", "command": .string(command.type), "success": false,
                "error": "the agent was restarted, or went to another session, before it answered",
            ]
            return AgentEvent(kind: .response(id: command.id, response), raw: response.buffer)
        }
    }

    /// What a frame means; `nil` for one that was told before.
    private func take(_ frame: JSON, _ raw: ByteBuffer) -> AgentEvent? {
        if let sequence = frame["seq"]?.int {
            guard sequence > position?.sequence ?? 0 else { return nil }
            position?.sequence = sequence
        }
        let payload = frame["payload"]
        let record = payload == nil ? raw : FrameBytes.payload(of: raw)
        switch frame["type"]?.string {
        case "event":
            guard let payload else { return AgentEvent(kind: .other(frame), raw: raw) }
            if let dialog = DialogRequest(payload) { return AgentEvent(kind: .dialog(dialog), raw: record) }
            return AgentEvent(kind: .record(payload), raw: record)
        case "extension_ui_request":
            let bytes = payload == nil ? FrameBytes.withoutSequence(raw) : record
            return AgentEvent(kind: DialogRequest(frame).map { .dialog($0) } ?? .other(frame), raw: bytes)
        case "response":
            guard let payload, let id = payload["id"]?.string else {
                return AgentEvent(kind: .other(frame), raw: record)
            }
            unanswered.removeAll { $0.id == id }
            return AgentEvent(kind: .response(id: id, payload), raw: record)
        case "extension_ui_resolved": return AgentEvent(kind: .dialogResolved(id: frame["id"]?.string ?? ""), raw: raw)
        case "welcome":
            // pi was started again: the snapshot takes the place of all that was said.
            let welcome = Welcome(frame)
            position = Position(boot: welcome.boot ?? position?.boot ?? "", sequence: welcome.currentSeq)
            return AgentEvent(kind: .welcome(welcome), raw: raw)
        case "agent_exit": return AgentEvent(kind: .agentExit(payload ?? frame), raw: record)
        case "guard": return AgentEvent(kind: .guarded(payload ?? frame), raw: record)
        case "error":
            let message = frame["message"]?.string ?? frame.text
            return AgentEvent(kind: .refused(code: frame["code"]?.string ?? "", message: message), raw: raw)
        default: return AgentEvent(kind: .other(frame), raw: raw)
        }
    }
}

extension AgentFault {
    /// Whether trying again may help: an agent registers anew after its hypivisor was restarted.
    fileprivate var isPassing: Bool {
        if case .relayRefused = self { true } else { false }
    }

    fileprivate var reason: String {
        if case .relayRefused(_, let message) = self { message } else { "\(self)" }
    }
}
