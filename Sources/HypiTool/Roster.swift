public import HypiWire

/// All agents as a client of the registry knows them, and what each piece of news changes.
///
/// A client that comes back too late gets the whole list again; the difference to what it knew is then its news, so
/// that whoever follows the changes never misses one. A value: no clock, no connection.
public struct Roster: Sendable {
    /// One change, as the registry's events have it.
    public struct Change: Sendable, Equatable {
        /// The kinds of changes.
        public enum Kind: String, Sendable {
            /// It was not known before, or registered again.
            case joined = "node_joined"
            /// Something about it is different.
            case updated = "node_updated"
            /// Its connection ended.
            case offline = "node_offline"
            /// It is no longer listed.
            case removed = "node_removed"
        }

        /// What happened.
        public var kind: Kind
        /// Whom it happened to.
        public var id: String
        /// The agent as it is now; `nil` if it was removed, or is not known.
        public var node: Node?
        /// The agent as it was before; `nil` if it was not known.
        public var previous: Node?
        /// Where a client can go on from here; `nil` inside a list, which is one piece of news.
        public var cursor: String?

        /// The change as a record: `{"event","cursor","node"|"id"}`.
        public var json: JSON {
            var object: JSONObject = ["event": .string(kind.rawValue)]
            object["cursor"] = cursor.map(JSON.string)
            switch kind {
            case .joined, .updated: object["node"] = node?.json
            case .offline, .removed: object["id"] = .string(id)
            }
            return .object(object)
        }
    }

    private var positions: [String: Int] = [:]
    /// The agents in the order in which they became known; removed ones leave a hole until the next compaction.
    private var entries: [Node?] = []

    /// An empty roster.
    public init() {}

    /// The agents, in the order in which they became known.
    public var nodes: [Node] {
        entries.compactMap { $0 }
    }

    /// The agent with an id; `nil` if there is none.
    public subscript(id: String) -> Node? {
        positions[id].flatMap { entries[$0] }
    }

    /// Takes over a whole list.
    ///
    /// - Parameter nodes: All agents there are.
    /// - Returns: What is different from before, removals first; no change has a cursor, since only the whole has one.
    public mutating func replace(with nodes: [Node]) -> [Change] {
        let present = Set(nodes.map(\.id))
        var changes = self.nodes.map(\.id).filter { !present.contains($0) }.map { remove($0) }
        for node in nodes where self[node.id] != node {
            changes.append(update(self[node.id] == nil ? .joined : .updated, node))
        }
        return changes
    }

    /// Takes over one event.
    ///
    /// - Returns: The change; `nil` for an event that is none of the roster's.
    public mutating func apply(_ event: RegistryEvent, cursor: String?) -> Change? {
        var change: Change
        switch event {
        case .nodeJoined(let node): change = update(.joined, node)
        case .nodeUpdated(let node): change = update(.updated, node)
        case .nodeOffline(let id): change = markOffline(id)
        case .nodeRemoved(let id): change = remove(id)
        case .initial, .openTunnel, .stopAgent: return nil
        }
        change.cursor = cursor
        return change
    }

    private mutating func update(_ kind: Change.Kind, _ node: Node) -> Change {
        let previous = self[node.id]
        set(node)
        return Change(kind: kind, id: node.id, node: node, previous: previous)
    }

    private mutating func markOffline(_ id: String) -> Change {
        guard var node = self[id] else { return Change(kind: .offline, id: id) }
        node.goOffline()
        return update(.offline, node)
    }

    private mutating func set(_ node: Node) {
        if let position = positions[node.id] {
            entries[position] = node
        } else {
            positions[node.id] = entries.count
            entries.append(node)
        }
    }

    private mutating func remove(_ id: String) -> Change {
        guard let position = positions.removeValue(forKey: id), let node = entries[position] else {
            return Change(kind: .removed, id: id)
        }
        entries[position] = nil
        if entries.count > 32, positions.count < entries.count / 2 { compact() }
        return Change(kind: .removed, id: id, previous: node)
    }

    /// Closes the holes once they are the greater part, so that years of comings and goings cost nothing.
    private mutating func compact() {
        entries = entries.filter { $0 != nil }
        for (position, node) in entries.enumerated() {
            if let node { positions[node.id] = position }
        }
    }
}
