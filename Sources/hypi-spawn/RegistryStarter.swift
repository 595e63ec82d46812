import HypiNet
import HypiTool
import HypiWire

/// Has the hypivisor start agents.
struct RegistryStarter: Starter {
    private let link: RegistryLink
    private let client: RegistryClient
    private let arrivals: Arrivals
    private let waits: Bool

    /// A starter.
    ///
    /// - Parameters:
    ///   - link: How agents are reached.
    ///   - client: The connection to the hypivisor.
    ///   - arrivals: The roster, kept by whoever reads the client's events.
    ///   - waits: Whether to wait until an agent is usable.
    init(_ link: RegistryLink, _ client: RegistryClient, _ arrivals: Arrivals, waits: Bool) {
        self.link = link
        self.client = client
        self.arrivals = arrivals
        self.waits = waits
    }

    func start(in folder: String, _ order: SpawnOrder) async throws -> JSON {
        let before = try await arrivals.nodes()
        if order.isOnlyIfAbsent, let node = Self.agent(in: try Self.path(of: order, in: folder), before) {
            return try await finish(node, order, isExisting: true)
        }
        let answer = try await client.request("spawn_agent", try Self.params(order, folder))
        guard let path = answer["path"]?.string else {
            throw RegistryClient.ProtocolFault(reason: "spawn_agent did not answer a path")
        }
        let isExisting = answer["existing"]?.bool ?? false
        let taken = Set(answer["guards"]?.array?.compactMap(\.string) ?? [])
        if !isExisting, let ignored = order.guards.first(where: { !taken.contains($0.name) }) {
            throw Failure(
                .failure,
                "the agent runs without --\(ignored.name.replacing("_", with: "-")): this hypivisor ignores it",
                hint: "end it with 'hypi-attach --stop \(answer["id"]?.string ?? path)'")
        }
        let isMeant = Self.condition(answer, path: path, known: Set(before.map(\.id)))
        guard waits || order.prompt != nil else {
            // The answer is all that is known of an agent that has not registered.
            return try await arrivals.nodes().first(where: isMeant).map { Self.record($0, isExisting) } ?? answer
        }
        let node = try await arrivals.node { isMeant($0) && $0.status == .active && $0.activity != .starting }
        return try await finish(node, order, isExisting: isExisting)
    }

    private func finish(_ node: Node, _ order: SpawnOrder, isExisting: Bool) async throws -> JSON {
        if let prompt = order.prompt {
            let stream = try await link.openAgent(node.id, subprotocols: [FirstTask.subprotocol])
            // Only bridges of version 2 say which version they are; others take plain text.
            try await FirstTask(prompt).give(to: stream, isPlain: node.version == nil)
        }
        return Self.record(node, isExisting)
    }

    private static func record(_ node: Node, _ isExisting: Bool) -> JSON {
        var node = node
        if isExisting { node.extra["existing"] = true }
        return node.json
    }

    private static func path(of order: SpawnOrder, in folder: String) throws(Failure) -> String {
        guard let name = order.newFolder else { return folder }
        return try WorkingFolder(path: folder, home: nil).absolute(name)
    }

    /// An agent that works in a folder; the registry has real paths, the person may have typed a link on this machine.
    private static func agent(in folder: String, _ nodes: [Node]) -> Node? {
        let real = WorkingFolder(path: "/", home: nil).existing(folder)
        // One that is stopping is gone before it could do anything.
        return nodes.first {
            $0.status == .active && $0.activity != .stopping && ($0.cwd == folder || $0.cwd == real)
        }
    }

    private static func params(_ order: SpawnOrder, _ folder: String) throws(Failure) -> JSONObject {
        var params: JSONObject = ["path": .string(folder)]
        params["new_folder"] = order.newFolder.map(JSON.string)
        params["name"] = order.name.map(JSON.string)
        params["key"] = order.key.map(JSON.string)
        if order.isOnlyIfAbsent, order.key == nil {
            // Two that ask at once, or right after the hypivisor was restarted, get one agent.
            params["key"] = .string("folder:" + (try path(of: order, in: folder)))
        }
        params["resume"] = order.sessionFile.map(JSON.string)
        if !order.guards.isEmpty {
            params["guards"] = .object(JSONObject(order.guards.map { ($0.name, .string($0.value)) }))
        }
        if !order.piArguments.isEmpty { params["args"] = .array(order.piArguments.map(JSON.string)) }
        return params
    }

    /// How the agent that was started is known among the others; version 1 says nothing but where it is.
    private static func condition(
        _ answer: JSON, path: String, known: Set<String>
    ) -> @Sendable (Node) -> Bool {
        if let id = answer["id"]?.string { return { $0.id == id } }
        if let spawnID = answer["spawn_id"]?.string { return { $0.spawnID == spawnID } }
        if let pid = answer["pid"]?.int { return { $0.cwd == path && $0.pid == pid } }
        return { $0.cwd == path && !known.contains($0.id) }
    }
}

extension Batch {
    /// Starts them all through the hypivisor.
    ///
    /// - Throws: `ConnectError` if it cannot be reached; nothing was started then.
    func run(through link: RegistryLink, waits: Bool) async throws -> ExitStatus {
        try await link.withClient(keepsEvents: true) { client in
            let arrivals = Arrivals()
            // Ends with this scope, by cancellation.
            async let _ = arrivals.run(client.events)
            return try await run(RegistryStarter(link, client, arrivals, waits: waits))
        }
    }
}
