/// Connections that are not through the handshake, oldest first: bounded as a whole and for each address.
///
/// A peer that has shown no token may be anybody, so it takes no place of those who have; and whoever comes last gets the
/// chance to show one, at the cost of whoever has been silent for longest.
struct PendingConnections<Connection: Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: ObjectIdentifier
        var network: String
        var connection: Connection
    }

    private let limit: Int
    private let limitPerNetwork: Int
    /// Short enough for a walk over all of it on each connection.
    private var entries: [Entry] = []

    init(limit: Int, limitPerNetwork: Int) {
        self.limit = limit
        self.limitPerNetwork = limitPerNetwork
    }

    /// All of them.
    var all: [Connection] { entries.map(\.connection) }

    /// Adds a connection.
    ///
    /// - Returns: The one that has to go for it, which is removed.
    mutating func add(_ connection: Connection, key: ObjectIdentifier, network: String) -> Connection? {
        entries.append(Entry(key: key, network: network, connection: connection))
        if entries.count(where: { $0.network == network }) > limitPerNetwork {
            return entries.firstIndex { $0.network == network }.map { entries.remove(at: $0).connection }
        }
        return entries.count > limit ? entries.removeFirst().connection : nil
    }

    /// Removes a connection.
    ///
    /// - Returns: Whether it was there.
    @discardableResult
    mutating func remove(_ key: ObjectIdentifier) -> Bool {
        guard let index = entries.firstIndex(where: { $0.key == key }) else { return false }
        entries.remove(at: index)
        return true
    }
}
