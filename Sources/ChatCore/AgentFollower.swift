import HypiWire
import PiAdapter

/// Watches an agent and touches nothing: `hypi-attach --follow`.
public actor AgentFollower {
    private let connection: AgentConnection
    private let printsRecords: Bool
    private let output: FilterOutput
    private var answer = AnswerText()
    private var losses = LossNotes()
    private var hasJoined = false

    /// A follower on a connection that it runs itself; it should be an observer's.
    ///
    /// - Parameters:
    ///   - connection: The connection.
    ///   - printsRecords: Whether records go out as NDJSON instead of the text of the conversation.
    ///   - output: Where they go.
    public init(_ connection: AgentConnection, printsRecords: Bool, output: FilterOutput) {
        self.connection = connection
        self.printsRecords = printsRecords
        self.output = output
    }

    /// Prints what happens until the agent ends for good or the connection does not come back.
    ///
    /// - Throws: ``AgentFault``; what the connection or the output throw.
    public func run() async throws {
        try await connection.run { try await self.handle($0) }
    }

    private func handle(_ event: AgentEvent) async throws {
        if let note = losses.note(about: event.kind) { output.note(note) }
        if case .agentExit(let exit) = event.kind {
            let exit = AgentExit(exit)
            output.note(exit.summary)
            // Nothing follows, and nobody comes back to this connection.
            if !exit.isRestarting { await connection.close() }
        }
        if printsRecords {
            switch event.kind {
            case .welcome, .resumed, .lost: return
            default: if let raw = event.raw { return try output.write(record: raw) }
            }
        }
        switch event.kind {
        case .welcome(let welcome): try begin(welcome)
        case .record(let record): try show(record)
        case .dialog(let dialog): if dialog.needsAnswer { output.note("the agent asks: \(dialog.summary)") }
        default: break
        }
    }

    private func begin(_ welcome: Welcome) throws {
        if hasJoined { output.note("some of the conversation was missed") }
        hasJoined = true
        try endLine()
        if let partial = welcome.partial { try print(answer.begin(partial: partial)) }
    }

    private func show(_ record: JSON) throws {
        let message = record["message"] ?? .null
        switch PiRecord.Kind(rawValue: record["type"]?.string ?? "") ?? .other {
        case .messageStart: if MessageText.isRole("assistant", message) { answer.begin() }
        case .messageUpdate:
            guard let event = record["assistantMessageEvent"], event["type"]?.string == "text_delta" else { return }
            try print(answer.append(event["delta"]?.string ?? "", at: event["contentIndex"]?.int ?? 0))
        case .messageEnd:
            if MessageText.isRole("user", message) {
                try endLine()
                try print(Array("> \(MessageText.plain(message))\n".utf8))
            } else if MessageText.isRole("assistant", message) {
                // A text that differs from its deltas cannot be taken back; the next message begins a new line.
                if let rest = try? answer.end(message) { try print(rest) }
                try endLine()
            }
        default: break
        }
    }

    private func endLine() throws {
        try print(answer.finish())
        answer = AnswerText()
    }

    private func print(_ bytes: [UInt8]) throws {
        if !bytes.isEmpty { try output.write(bytes) }
    }
}
