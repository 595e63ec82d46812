import HypiWire
public import NIOCore

/// Lets an agent continue that a guard stopped: `hypi-attach --resume`.
public actor AgentResume {
    private let connection: AgentConnection
    private var wasBlocked = false
    private var refusal: AgentFault?

    private init(_ connection: AgentConnection) {
        self.connection = connection
    }

    /// Asks, and returns when the guard was lifted.
    ///
    /// - Parameters:
    ///   - endpoint: The agent.
    ///   - group: Where the connection's loop comes from.
    /// - Returns: Whether a guard had stopped it.
    /// - Throws: ``AgentFault`` if it refused; what the connection throws.
    public static func resume(_ endpoint: AgentEndpoint, on group: any EventLoopGroup) async throws -> Bool {
        let connection = AgentConnection(to: endpoint, patience: .seconds(10), on: group)
        let resume = AgentResume(connection)
        try await connection.run { await resume.handle($0) }
        if let refusal = await resume.refusal { throw refusal }
        return await resume.wasBlocked
    }

    private func handle(_ event: AgentEvent) async {
        switch event.kind {
        case .welcome(let welcome):
            guard welcome.isBlocked else { return await connection.close() }
            wasBlocked = true
            await connection.send(frame: ["type": "resume"])
        case .other(let frame):
            if frame["type"]?.string == "guard_resumed" { await connection.close() }
        case .refused(let code, let message):
            refusal = .failed(message.isEmpty ? code : message)
            await connection.close()
        case .agentExit(let exit):
            refusal = .failed(AgentExit(exit).summary)
            await connection.close()
        default: break
        }
    }
}
