public import HypiWire
public import NIOCore

/// One command, one answer, for tools that want nothing else of an agent.
public actor AgentQuestion {
    private let command: JSONObject
    private let connection: AgentConnection
    private var id: String?
    private var outcome: Result<JSON, AgentFault>?

    private init(_ command: JSONObject, _ connection: AgentConnection) {
        self.command = command
        self.connection = connection
    }

    /// Connects, sends a command, and leaves with its answer.
    ///
    /// - Parameters:
    ///   - command: The command as pi takes it.
    ///   - endpoint: The agent.
    ///   - patience: How long to try to come back.
    ///   - group: Where the connection's loop comes from.
    /// - Returns: The `data` of the answer; `null` if it has none.
    /// - Throws: ``AgentFault/failed(_:)`` if pi refused it; what the connection throws.
    public static func ask(
        _ command: JSONObject, of endpoint: AgentEndpoint, patience: Duration, on group: any EventLoopGroup
    ) async throws -> JSON {
        let connection = AgentConnection(to: endpoint, patience: patience, on: group)
        let question = AgentQuestion(command, connection)
        try await connection.run { try await question.handle($0) }
        return try await question.result()
    }

    private func handle(_ event: AgentEvent) async throws {
        switch event.kind {
        case .welcome: if id == nil { id = try await connection.send(command) }
        case .response(let answered, let response) where answered == id:
            await end(
                response["success"]?.bool == true
                    ? .success(response["data"] ?? .null) : .failure(.failed(response["error"]?.string ?? "refused")))
        case .agentExit(let exit): await end(.failure(.failed(AgentExit(exit).summary)))
        case .refused(_, let message): await end(.failure(.failed(message)))
        default: break
        }
    }

    private func end(_ outcome: Result<JSON, AgentFault>) async {
        self.outcome = outcome
        await connection.close()
    }

    private func result() throws -> JSON {
        guard let outcome else { throw CancellationError() }
        return try outcome.get()
    }
}
