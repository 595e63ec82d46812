import HypiWire
public import NIOCore

/// Asks an agent to end that no hypivisor speaks for: `hypi-attach --stop ws://host:port`.
public actor AgentStop {
    private let connection: AgentConnection
    private var isSent = false
    private var refusal: AgentFault?

    private init(_ connection: AgentConnection) {
        self.connection = connection
    }

    /// Asks, and returns when the agent has gone.
    ///
    /// - Parameters:
    ///   - endpoint: The agent.
    ///   - group: Where the connection's loop comes from.
    /// - Throws: ``AgentFault`` if it refused; what the connection throws.
    public static func stop(_ endpoint: AgentEndpoint, on group: any EventLoopGroup) async throws {
        let connection = AgentConnection(to: endpoint, patience: .seconds(10), on: group)
        let stop = AgentStop(connection)
        try await connection.run { await stop.handle($0) }
        if let refusal = await stop.refusal { throw refusal }
    }

    private func handle(_ event: AgentEvent) async {
        switch event.kind {
        case .welcome, .resumed:
            isSent = true
            await connection.send(frame: ["type": "stop", "force": false])
        case .agentExit: await connection.close()
        // pi may be gone before its end was told.
        case .lost: if isSent { await connection.close() }
        case .refused(let code, let message):
            refusal = .failed(message.isEmpty ? code : message)
            await connection.close()
        default: break
        }
    }
}
