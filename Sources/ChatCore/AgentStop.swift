import HypiWire
public import NIOCore

/// Asks an agent to end that no hypivisor speaks for: `hypi-attach --stop ws://host:port`.
public actor AgentStop {
    private let connection: AgentConnection
    private var isSent = false
    private var refusal: AgentFault?
    private let waits: Bool

    private init(_ connection: AgentConnection, waits: Bool) {
        self.connection = connection
        self.waits = waits
    }

    /// Asks, and returns when the agent has gone.
    ///
    /// - Parameters:
    ///   - endpoint: The agent.
    ///   - waits: Whether to return only when it has gone.
    ///   - group: Where the connection's loop comes from.
    /// - Throws: ``AgentFault`` if it refused; what the connection throws.
    public static func stop(_ endpoint: AgentEndpoint, waits: Bool = true, on group: any EventLoopGroup) async throws {
        let connection = AgentConnection(to: endpoint, patience: .seconds(10), on: group)
        let stop = AgentStop(connection, waits: waits)
        try await connection.run { await stop.handle($0) }
        if let refusal = await stop.refusal { throw refusal }
    }

    private func handle(_ event: AgentEvent) async {
        switch event.kind {
        case .welcome, .resumed:
            isSent = true
            await connection.send(frame: ["type": "stop", "force": false])
            if !waits { await connection.close() }
        // The bridge closes the connection when it has ended, a moment after pi.
        case .lost: if isSent { await connection.close() }
        case .refused(let code, let message):
            refusal = .failed(message.isEmpty ? code : message)
            await connection.close()
        default: break
        }
    }
}
