import HypiWire
import NIOCore
import NIOHTTP1

/// What a client asked for before the upgrade: the parts of the request head that decisions are made from.
public struct HandshakeRequest: Sendable {
    /// The method, in capitals.
    public var method: String
    /// The path, percent-encoded, without the query.
    public var path: String
    /// The query without its `?`; may hold a token, so it is never logged.
    public var query: String?
    /// The `Host` field.
    public var host: String?
    /// The `Origin` field; only browsers send one.
    public var origin: String?
    /// The `Authorization` field.
    public var authorization: String?
    /// The subprotocols the client offers, in its order.
    public var subprotocols: [String]
    /// Whether the client asks for a WebSocket at all.
    public var isUpgrade: Bool
    /// The peer's address, without a port.
    public var peerAddress: String
    /// The address and port the connection came in on, as the client could name them.
    public var localAddress: String
    /// The port the connection came in on.
    public var localPort: Int

    /// A request from its parts; for tests of the decisions.
    public init(
        method: String = "GET", path: String, query: String? = nil, host: String? = nil, origin: String? = nil,
        authorization: String? = nil, subprotocols: [String] = [], isUpgrade: Bool = true,
        peerAddress: String = "127.0.0.1", localAddress: String = "127.0.0.1", localPort: Int = 0
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.host = host
        self.origin = origin
        self.authorization = authorization
        self.subprotocols = subprotocols
        self.isUpgrade = isUpgrade
        self.peerAddress = peerAddress
        self.localAddress = localAddress
        self.localPort = localPort
    }

    init(head: HTTPRequestHead, remote: SocketAddress?, local: SocketAddress?) {
        let question = head.uri.firstIndex(of: "?")
        self.init(
            method: head.method.rawValue, path: String(head.uri[..<(question ?? head.uri.endIndex)]),
            query: question.map { String(head.uri[head.uri.index(after: $0)...]) },
            host: head.headers.first(name: "host"), origin: head.headers.first(name: "origin"),
            authorization: head.headers.first(name: "authorization"),
            subprotocols: head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init),
            isUpgrade: head.headers.asksForWebSocket,
            peerAddress: Self.address(remote), localAddress: Self.address(local), localPort: local?.port ?? 0)
    }

    /// An address as a person writes it: an IPv4 peer of a socket for both families is not `::ffff:192.0.2.1`.
    static func address(_ address: SocketAddress?) -> String {
        let text = address?.ipAddress ?? ""
        let mapped = "::ffff:"
        return text.hasPrefix(mapped) && text.contains(".") ? String(text.dropFirst(mapped.count)) : text
    }

    /// The value of a query parameter, decoded.
    public func parameter(_ name: String) -> String? {
        query.flatMap { PercentCoding.value(of: name, inQuery: $0) }
    }

    /// The token the client showed: `Authorization: Bearer`, else `?token=`.
    var shownToken: String? {
        let parts = (authorization ?? "").split(separator: " ", maxSplits: 1)
        // A proxy's `Basic` says nothing to us.
        guard let scheme = parts.first, scheme.lowercased() == "bearer" else { return parameter("token") }
        return parts.count == 2 ? String(parts[1].drop { $0 == " " }) : ""
    }
}
