import HypiNet
import HypiWire
import NIOCore

/// Brings viewers and agents together at `/ws/agent/<id>` and `/ws/tunnel/<id>` (specs/protocol.md, section 2).
///
/// A viewer's upgrade is accepted before anything is known about the agent, because a browser cannot read the status of
/// a refused one; a refusal is a frame and close code 1008.
struct Relay: Sendable {
    /// The subprotocol that passes through; a viewer that offers it is answered with it, and the agent is offered it.
    static let subprotocol = "pi-server.v1"

    private let roster: Roster
    private let token: Token?
    private let heartbeat: TimeAmount

    /// Relays for the agents of a roster.
    ///
    /// - Parameters:
    ///   - roster: Who is where.
    ///   - token: Shown to agents that are dialled.
    ///   - heartbeat: Time between pings on a quiet connection.
    init(roster: Roster, token: Token?, heartbeat: TimeAmount) {
        self.roster = roster
        self.token = token
        self.heartbeat = heartbeat
    }

    /// How the sockets of a relay behave: the relay itself bounds what it writes, by not reading the other side.
    var socketOptions: WebSocket.Options {
        WebSocket.Options(outboxLimit: nil, heartbeat: heartbeat)
    }

    // MARK: Viewers

    /// The endpoint of a viewer.
    ///
    /// - Parameters:
    ///   - request: The viewer's request.
    ///   - id: The agent's id, decoded; `nil` where it cannot be decoded, which is then nobody's id.
    ///   - eventLoop: The viewer's loop.
    /// - Returns: The viewer's end of the relay.
    func viewer(_ request: HandshakeRequest, id: String?, on eventLoop: any EventLoop) -> RelaySide {
        let query = Self.passedOn(request.query)
        let offers = request.subprotocols.filter { $0 == Self.subprotocol }
        return RelaySide(.viewer) { side in
            let viewer = side.end(on: eventLoop)
            self.findAgent(id, query, offers, on: eventLoop) { agent in
                RelayEnd.join(viewer, agent)
            }.hop(to: eventLoop).assumeIsolated().whenFailure { error in
                Self.refuse(viewer, error)
            }
        }
    }

    private func findAgent(
        _ id: String?, _ query: String?, _ offers: [String], on eventLoop: any EventLoop,
        _ found: @escaping @Sendable (RelayEnd) -> Void
    ) -> EventLoopFuture<Void> {
        way(to: id, subprotocol: offers.first).hop(to: eventLoop).flatMap { way in
            switch way {
            case .tunnel(let end): return end.map(found).hop(to: eventLoop)
            case .dial(let host, let port, let pin, let isVersion1):
                var url = self.url(host, port, query, isVersion1: isVersion1)
                guard let pin else { return self.dial(url, offers, TLSTrust(), on: eventLoop, found) }
                // What is no pin must not end as trust in whatever the system trusts.
                guard let parsed = TLSPin(pin) else {
                    let fault = RegistryFault(.unreachable, "its tls_pin is not a SHA-256 fingerprint")
                    return eventLoop.makeFailedFuture(fault)
                }
                url.isSecure = true
                return self.dial(url, offers, TLSTrust(pin: parsed), on: eventLoop, found)
            }
        }
    }

    private func way(to id: String?, subprotocol: String?) -> EventLoopFuture<WayToAgent> {
        guard let id else { return roster.submit { _ in throw RegistryFault.unknownNode("") } }
        return roster.submit { $0.presence(of: id) }.flatMap { $0 }.flatMap {
            roster.submit { try $0.way(to: id, subprotocol: subprotocol) }
        }
    }

    private func dial(
        _ url: WebSocketURL, _ offers: [String], _ trust: TLSTrust, on eventLoop: any EventLoop,
        _ found: @escaping @Sendable (RelayEnd) -> Void
    ) -> EventLoopFuture<Void> {
        // Insecure is allowed here: the agent came from this very address with this very token, in the clear or not.
        let options = WebSocketClient.Options(
            token: token, subprotocols: offers, isInsecureAllowed: true, trust: trust, socket: socketOptions)
        return WebSocketClient.connect(to: url, options: options, on: eventLoop) {
            RelaySide(.agent) { found($0.end(on: eventLoop)) }
        }
    }

    private func url(_ host: String, _ port: Int, _ query: String?, isVersion1: Bool) -> WebSocketURL {
        var pairs = query.map { [$0] } ?? []
        // Version 1 agents look for the token here and nowhere else.
        if isVersion1, let token { pairs.append("token=" + PercentCoding.encode(token.secret)) }
        return WebSocketURL(
            host: host, port: port, path: "/", query: pairs.isEmpty ? nil : pairs.joined(separator: "&"))
    }

    /// The viewer's query without the token, which was for us.
    private static func passedOn(_ query: String?) -> String? {
        let pairs = (query ?? "").split(separator: "&").filter { pair in
            PercentCoding.decode(pair.prefix { $0 != "=" }) != "token"
        }
        return pairs.isEmpty ? nil : pairs.joined(separator: "&")
    }

    // MARK: Agents

    /// The endpoint of an agent that opens a tunnel.
    func tunnel(_ id: String, on eventLoop: any EventLoop) -> RelaySide {
        RelaySide(.agent) { side in
            let agent = side.end(on: eventLoop)
            self.roster.post { roster in
                if let viewer = roster.claim(tunnel: id) {
                    viewer.succeed(agent)
                } else {
                    agent.perform { $0.close(Closure(code: .policyViolation, reason: "nobody waits for this tunnel")) }
                }
            }
        }
    }

    // MARK: Refusals

    private static func refuse(_ viewer: RelayEnd, _ error: any Error) {
        let fault = fault(error)
        viewer.perform { side in
            side.socket?.send(json: ["error": .string(fault.message), "code": .string(fault.code.rawValue)])
            side.close(Closure(code: .policyViolation, reason: fault.message))
        }
    }

    /// The texts of version 1, which its dashboard shows.
    private static func fault(_ error: any Error) -> RegistryFault {
        switch error {
        case let fault as RegistryFault where fault.code == .notFound:
            RegistryFault(.notFound, "Agent not found")
        case let fault as RegistryFault where fault.code == .offline:
            RegistryFault(.offline, "Agent is offline")
        case let fault as RegistryFault:
            RegistryFault(.unreachable, "Cannot reach agent: \(fault.message)")
        case let error as ConnectError:
            RegistryFault(.unreachable, "Cannot reach agent: \(reason(error))")
        default:
            RegistryFault(.unreachable, "Cannot reach agent: \(error)")
        }
    }

    /// The reason without the URL, whose query may hold the token.
    private static func reason(_ error: ConnectError) -> String {
        switch error {
        case .unreachable(_, let reason): reason
        case .timedOut: "timed out"
        case .refused(_, let status, let message): "it answered \(status): \(message)"
        case .notWebSocket: "it does not speak WebSocket"
        case .untrusted(_, let error): error.description
        case .tokenInTheClear: "not possible from here"
        case .strangersListener(_, let user): "another user listens on its port: \(user)"
        case .unknownListener(_, let reason): "cannot tell which user listens on its port: \(reason)"
        }
    }
}
