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
    /// - Returns: The result, on any loop; fails with ``RegistryFault``.
    func perform(_ params: Params, for caller: Caller, with services: Services) throws(RegistryFault)
        -> EventLoopFuture<JSON>
    {
        let roster = services.roster
        switch self {
        case .register: return try register(params, caller, roster)
        case .deregister: return try deregister(params, caller, roster)
        case .update: return try update(params, caller, roster)
        case .listNodes:
            return roster.submit { $0.nodes }.hop(to: caller.eventLoop).map { .array($0.map(\.json)) }
        case .listDirectories:
            return services.browser.list(try params.optionalText("path"), on: caller.eventLoop).map(\.json)
        case .spawnAgent:
            return services.spawner.submit(try SpawnRequest(params), on: caller.eventLoop).map(\.json)
        case .stopAgent:
            let (id, force) = (try params.text("id"), try params.flag("force"))
            return roster.submit { try $0.stop(id, force: force) }.map { ["status": "stopping"] }
        case .ping:
            return roster.submit { $0.count }.map {
                ["status": "healthy", "nodes": .int($0), "version": .string(Version.current)]
            }
        }
    }

    private func register(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<JSON> {
        let node: Node
        do {
            node = try Node(json: .object(params.object))
        } catch {
            throw RegistryFault(.invalidParams, "\(error)")
        }
        let instance = try params.optionalText("instance")
        return roster.submit { try $0.register(node, instance: instance, by: caller.subscriber) }
            .map { ["status": "registered", "id": .string(node.id)] }
    }

    private func deregister(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<JSON> {
        let id = try params.text("id")
        return roster.submit { try $0.deregister(id, by: caller.subscriber.id, isAgent: caller.isAgent) }
            .map { ["status": $0 ? "deregistered" : "not_found"] }
    }

    private func update(
        _ params: Params, _ caller: Caller, _ roster: Roster
    ) throws(RegistryFault) -> EventLoopFuture<JSON> {
        let id = try params.text("id")
        return roster.submit { try $0.update(id, params.object, by: caller.subscriber.id) }
            .map { ["status": "updated"] }
    }
}
