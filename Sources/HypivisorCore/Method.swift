import HypiNet
import HypiWire
import Logging
import NIOCore

/// The methods of the registry, by their names on the wire (specs/protocol.md, section 1).
enum Method: String {
    case register
    case deregister
    case update
    case listNodes = "list_nodes"
    case listDirectories = "list_directories"
    case spawnAgent = "spawn_agent"
    case stopAgent = "stop_agent"
    case ping

    /// Who asks: what methods need to know about a connection.
    struct Caller: Sendable {
        /// The connection as the roster knows it.
        var subscriber: Subscriber
        /// Whether it said that it is an agent.
        var isAgent: Bool
        /// Whose program it is.
        var owner: PeerOwner
        /// Its loop, where results are put into words.
        var eventLoop: any EventLoop { subscriber.eventLoop }
    }

    /// What methods work on.
    struct Services: Sendable {
        var roster: Roster
        var browser: DirectoryBrowser
        var spawner: Spawner
        var logger: Logger
    }

    /// Does what a request asks for.
    ///
    /// - Returns: The result as JSON text, on any loop; fails with ``RegistryFault``.
    func perform(_ params: Params, for caller: Caller, with services: Services) throws(RegistryFault)
        -> EventLoopFuture<[UInt8]>
    {
        let (roster, loop) = (services.roster, caller.eventLoop)
        switch self {
        case .register: return try register(params, caller, roster)
        case .deregister: return try deregister(params, caller, roster)
        case .update: return try update(params, caller, roster)
        case .listNodes:
            return roster.submit(for: loop) { $0.snapshots }.map { nodes in
                var text: [UInt8] = []
                Node.append(nodes.lazy.map(\.node), to: &text)
                return text
            }
        case .listDirectories:
            return services.browser.list(try params.optionalText("path"), on: loop).map(\.json.bytes)
        case .spawnAgent:
            return services.spawner.submit(try SpawnRequest(params), from: caller.owner, on: loop).map(\.json.bytes)
        case .stopAgent:
            let (id, force) = (try params.text("id"), try params.flag("force"))
            return roster.submit(for: loop) { try $0.stop(id, force: force) }.map { Self.status("stopping") }
        case .ping:
            return roster.submit(for: loop) { $0.count }.map {
                let health: JSON = ["status": "healthy", "nodes": .int($0), "version": .string(Version.current)]
                return health.bytes
            }
        }
    }

    private func register(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<[UInt8]> {
        let node: Node
        do {
            node = try Node(params.object)
        } catch {
            throw RegistryFault(.invalidParams, "\(error)")
        }
        let instance = try params.optionalText("instance")
        var answer = Array(#"{"status":"registered","id":"#.utf8)
        JSON.string(node.id).append(to: &answer)
        answer.append(UInt8(ascii: "}"))
        return roster.submit(for: caller.eventLoop) { $0.register(node, instance: instance, by: caller.subscriber) }
            .flatMap { $0.hop(to: caller.eventLoop) }.map { [answer] in answer }
    }

    private func deregister(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<[UInt8]> {
        let id = try params.text("id")
        return roster.submit(for: caller.eventLoop) {
            try $0.deregister(id, by: caller.subscriber.id, isAgent: caller.isAgent)
        }.map { Self.status($0 ? "deregistered" : "not_found") }
    }

    private func update(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<[UInt8]> {
        let id = try params.text("id")
        let answer = Self.status("updated")
        return roster.submit(for: caller.eventLoop) {
            try $0.update(id, params.object, by: caller.subscriber.id)
            return answer
        }
    }

    private static func status(_ word: String) -> [UInt8] {
        let status: JSON = ["status": .string(word)]
        return status.bytes
    }
}
