import HypiNet
import HypiWire
import NIOCore

/// How the endpoint of an agent is reached.
enum WayToAgent: Sendable {
    /// It listens at an address that reaches us; version 1 takes the token in the query alone.
    ///
    /// With a pin it speaks TLS and shows that certificate: it said so on its registration, which the token has opened.
    case dial(host: String, port: Int, pin: String?, isVersion1: Bool)
    /// It was asked to dial in, and this tells when it has; fails with a ``RegistryFault``.
    case tunnel(EventLoopFuture<RelayEnd>)
}

/// Where viewers that wait for a tunnel and agents that open one meet (specs/protocol.md, section 2).
///
/// It belongs to the roster. A tunnel id is random and told to its agent alone, so that nobody else can serve the
/// viewer. One that is not opened within ``Limits/tunnelSeconds`` is forgotten, and the viewer gets an answer.
struct TunnelDesk {
    private struct Waiting {
        var agent: ConnectionID
        var end: EventLoopPromise<RelayEnd>
        var timer: Scheduled<Void>
    }

    private let eventLoop: any EventLoop
    private var waiting: [String: Waiting] = [:]

    /// An empty desk on the roster's loop.
    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// A viewer waits from now on.
    ///
    /// - Parameters:
    ///   - agent: The registration connection of the agent that is asked.
    ///   - late: Called on the loop when the time is over; it should ``giveUp(_:)``.
    /// - Returns: The id for the agent, and what becomes the agent's end of the relay.
    mutating func open(
        agent: ConnectionID, late: @escaping @Sendable (String) -> Void
    ) -> (id: String, end: EventLoopFuture<RelayEnd>) {
        let id = Token.random().secret
        let end = eventLoop.makePromise(of: RelayEnd.self)
        let timer = eventLoop.scheduleTask(in: .seconds(Limits.tunnelSeconds)) { late(id) }
        waiting[id] = Waiting(agent: agent, end: end, timer: timer)
        return (id, end.futureResult)
    }

    /// An agent has opened a tunnel.
    ///
    /// - Returns: Who waits; `nil` if the id is unknown, was used, or is late.
    mutating func claim(_ id: String) -> EventLoopPromise<RelayEnd>? {
        guard let entry = waiting.removeValue(forKey: id) else { return nil }
        entry.timer.cancel()
        return entry.end
    }

    /// A tunnel was not opened in time.
    mutating func giveUp(_ id: String) {
        claim(id)?.fail(RegistryFault(.unreachable, "the agent did not open a tunnel in time"))
    }

    /// The agent has gone: its tunnels will not be opened.
    mutating func abandon(agent: ConnectionID) {
        for (id, entry) in waiting where entry.agent == agent {
            claim(id)?.fail(RegistryFault(.unreachable, "the agent's connection ended"))
        }
    }

    /// The end.
    mutating func abandonAll() {
        for id in Array(waiting.keys) {
            claim(id)?.fail(RegistryFault(.unreachable, "hypivisor stops"))
        }
    }
}
