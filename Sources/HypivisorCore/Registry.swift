import HypiWire
import NIOCore

/// Who is registered, by whom, and until when: the roster and its rules (specs/protocol.md, section 1).
///
/// A pure value. A change goes in, the events that tell of it come out; the clock comes from outside.
struct Registry: Sendable {
    /// One point in time on both clocks: leases run on the one that nobody sets, people read the other.
    struct Moment: Sendable {
        var instant: NIODeadline
        var epochSeconds: Int
    }

    /// A node and what the registry knows about it beyond what it tells.
    struct Entry: Sendable {
        var snapshot: NodeSnapshot
        /// The connection that registered it; `nil` once that has ended.
        var owner: ConnectionID?
        /// The process behind it, where it said so.
        var instance: String?
        /// When it is removed unless something happens before.
        var due: NIODeadline
        /// Where it stands in the list: nodes are listed in the order in which they first came.
        var rank: Int

        /// The node as it is now; a change makes a snapshot of its own.
        var node: Node {
            get { snapshot.node }
            set { snapshot = NodeSnapshot(newValue) }
        }
    }

    /// Where a node's own endpoint listens; of two nodes that claim one, an offline one is no longer there.
    private struct Endpoint: Hashable, Sendable {
        var machine: String
        var port: Int

        /// `nil` for a node without a listening port.
        init?(_ node: borrowing Node) {
            guard node.port != 0 else { return nil }
            (machine, port) = (node.machine, node.port)
        }
    }

    private let ttl: TimeAmount
    private let nodeLimit: Int
    private var entries: [String: Entry] = [:]
    private var idsByOwner: [ConnectionID: Set<String>] = [:]
    private var idsByEndpoint: [Endpoint: Set<String>] = [:]
    private var nextRank = 0

    /// An empty registry.
    ///
    /// - Parameters:
    ///   - ttl: How long an offline node stays; an active one that is silent for ``Limits/staleFactor`` times as long
    ///     goes too.
    ///   - nodeLimit: How many nodes there may be.
    init(ttl: TimeAmount, nodeLimit: Int = Limits.nodes) {
        self.ttl = ttl
        self.nodeLimit = nodeLimit
    }

    // MARK: Asking

    /// How many nodes are listed, offline ones too.
    var count: Int { entries.count }

    /// The roster, in the order in which the nodes first came.
    var nodes: [Node] { snapshots.map(\.node) }

    /// The same without copies.
    var snapshots: [NodeSnapshot] {
        entries.values.map { ($0.rank, $0.snapshot) }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// What is known about one node.
    subscript(id: String) -> Entry? { entries[id] }

    /// When the next node is due to be removed; `nil` if there is none.
    var nextDue: NIODeadline? { entries.values.lazy.map(\.due).min() }

    // MARK: Changing

    /// Registers a node, for the first time or again.
    ///
    /// Another node at the same machine and port is removed if it is offline or of the same connection. One whose
    /// connection lives stays: machines may share a name, and what stands in the list must push nobody out.
    ///
    /// - Throws: ``RegistryFault`` with code `id_in_use` if another connection has the id, lives, and did not name the same
    ///   `instance`; `busy` if there is no room, for all or for one connection. Nothing has changed then.
    mutating func register(
        _ node: consuming Node, instance: String?, by owner: ConnectionID, at now: Moment
    ) throws(RegistryFault) -> [RegistryEvent] {
        let previous = entries[node.id]
        if let previous, previous.isAnother(than: instance, by: owner) {
            throw RegistryFault(.idInUse, "id '\(node.id)' is in use by another agent")
        }
        guard previous != nil || entries.count < nodeLimit else {
            throw RegistryFault(.busy, "the registry is full")
        }
        let own = idsByOwner[owner] ?? []
        guard own.contains(node.id) || own.count < Limits.connectionNodes else {
            throw RegistryFault(.busy, "a connection may register \(Limits.connectionNodes) agents")
        }
        var events: [RegistryEvent] = []
        let others = Endpoint(node).flatMap { idsByEndpoint[$0] } ?? []
        for other in others.sorted() where other != node.id {
            if let entry = entries[other], entry.owner == nil || entry.owner == owner { events += remove(other) }
        }
        if let previous { unlink(previous) }
        node.status = .active
        node.offlineSince = nil
        node.lastSeen = now.epochSeconds
        let snapshot = NodeSnapshot(node)
        link(
            Entry(
                snapshot: snapshot, owner: owner, instance: instance, due: stale(after: now), rank: rank(of: previous)))
        events.append(.nodeJoined(snapshot.node))
        return events
    }

    /// Takes over what an agent says has changed about its node.
    ///
    /// - Throws: ``RegistryFault`` with code `not_found`, `forbidden` or `invalid_params`; nothing has changed then.
    mutating func update(
        _ id: String, _ changes: JSONObject, by owner: ConnectionID, at now: Moment
    ) throws(RegistryFault) -> [RegistryEvent] {
        guard var entry = entries[id] else { throw .unknownNode(id) }
        guard entry.owner == owner else {
            throw RegistryFault(.forbidden, "only the connection that registered '\(id)' may update it")
        }
        var node = entry.node
        do {
            try node.apply(changes)
        } catch {
            throw RegistryFault(.invalidParams, "\(error)")
        }
        // What the registry itself observes is not the agent's to say.
        node.address = entry.node.address
        node.offlineSince = nil
        node.lastSeen = now.epochSeconds
        entry.node = node
        entry.due = stale(after: now)
        entries[id] = entry
        return [.nodeUpdated(node)]
    }

    /// Removes a node because somebody asked for it.
    ///
    /// A living node is removed by its own connection alone. One that is offline belongs to nobody: a viewer may clear
    /// it away, another agent may not.
    ///
    /// - Returns: The events; none if there is no such node.
    /// - Throws: ``RegistryFault`` with code `forbidden`; nothing has changed then.
    mutating func deregister(
        _ id: String, by owner: ConnectionID, isAgent: Bool
    ) throws(RegistryFault) -> [RegistryEvent] {
        guard let entry = entries[id] else { return [] }
        guard entry.owner == owner || (entry.owner == nil && !isAgent) else {
            throw RegistryFault(.forbidden, "only the connection that registered '\(id)' may remove it")
        }
        return remove(id)
    }

    /// The connection that registered nodes has ended: they go offline, and their time runs.
    mutating func disconnect(_ owner: ConnectionID, at now: Moment) -> [RegistryEvent] {
        let ids = idsByOwner.removeValue(forKey: owner) ?? []
        for id in ids {
            guard var entry = entries[id] else { continue }
            var node = entry.node
            node.goOffline()
            node.offlineSince = now.epochSeconds
            (entry.node, entry.owner, entry.due) = (node, nil, now.instant + ttl)
            entries[id] = entry
        }
        return ids.sorted().map(RegistryEvent.nodeOffline)
    }

    /// A connection gave a sign of life: the leases of its nodes start again.
    mutating func heard(_ owner: ConnectionID, at now: Moment) {
        let due = stale(after: now)
        for id in idsByOwner[owner] ?? [] {
            entries[id]?.due = due
            entries[id]?.node.lastSeen = now.epochSeconds
        }
    }

    /// Removes what is due.
    mutating func expire(at now: Moment) -> [RegistryEvent] {
        let due = entries.values.filter { $0.due <= now.instant }.sorted { $0.rank < $1.rank }
        return due.flatMap { remove($0.node.id) }
    }

    private mutating func remove(_ id: String) -> [RegistryEvent] {
        guard let entry = entries.removeValue(forKey: id) else { return [] }
        unlink(entry)
        return [.nodeRemoved(id: id)]
    }

    private mutating func link(_ entry: Entry) {
        let id = entry.node.id
        entries[id] = entry
        if let owner = entry.owner { idsByOwner[owner, default: []].insert(id) }
        if let endpoint = Endpoint(entry.node) { idsByEndpoint[endpoint, default: []].insert(id) }
    }

    private mutating func unlink(_ entry: Entry) {
        let id = entry.node.id
        if let owner = entry.owner {
            idsByOwner[owner]?.remove(id)
            if idsByOwner[owner]?.isEmpty == true { idsByOwner[owner] = nil }
        }
        if let endpoint = Endpoint(entry.node) {
            idsByEndpoint[endpoint]?.remove(id)
            if idsByEndpoint[endpoint]?.isEmpty == true { idsByEndpoint[endpoint] = nil }
        }
    }

    private mutating func rank(of previous: Entry?) -> Int {
        if let previous { return previous.rank }
        nextRank += 1
        return nextRank
    }

    private func stale(after now: Moment) -> NIODeadline {
        now.instant + ttl * Limits.staleFactor
    }
}

extension Registry.Entry {
    /// Whether a registration under this entry's id may come from somebody else, while this one lives.
    ///
    /// Only the process that registered it knows its `instance`, which is shown to nobody. Machine and port are no proof:
    /// they stand in the list. A peer of version 1 gives no instance and cannot be told from another of its kind.
    fileprivate func isAnother(than instance: String?, by owner: ConnectionID) -> Bool {
        guard let current = self.owner, current != owner else { return false }
        guard let instance, !instance.isEmpty else { return true }
        return instance != self.instance
    }
}

extension RegistryFault {
    /// There is no such node.
    static func unknownNode(_ id: String) -> RegistryFault {
        RegistryFault(.notFound, "no agent with id '\(id)'")
    }
}
