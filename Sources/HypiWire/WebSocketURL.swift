/// A `ws://` or `wss://` URL (RFC 6455 section 3), cut into what a client needs of it.
public struct WebSocketURL: Sendable, Hashable, CustomStringConvertible {
    /// Whether the connection is encrypted (`wss`).
    public var isSecure: Bool
    /// The host: a name or an address, without the brackets of an IPv6 literal.
    public var host: String
    /// The port; 80 or 443 where the URL has none.
    public var port: Int
    /// The path, starting with `/`, still percent-encoded.
    public var path: String
    /// The query without its `?`, still percent-encoded; `nil` if there is none.
    public var query: String?

    /// A URL from its parts.
    public init(isSecure: Bool = false, host: String, port: Int, path: String, query: String? = nil) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
        self.path = path
        self.query = query
    }

    /// Reads a URL; `nil` if it is not a WebSocket URL with a host and a valid port.
    ///
    /// A fragment or user information makes it invalid: RFC 6455 forbids the one, and the other would be a password in
    /// a process list.
    public init?(_ text: String) {
        guard let schemeEnd = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<schemeEnd.lowerBound].lowercased()
        guard scheme == "ws" || scheme == "wss", !text.contains("#") else { return nil }
        let rest = text[schemeEnd.upperBound...]
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<authorityEnd]
        guard !authority.contains("@"), let (host, port) = Self.splitAuthority(authority) else { return nil }
        let target = rest[authorityEnd...]
        let pathEnd = target.firstIndex(of: "?") ?? target.endIndex
        guard rest.utf8.allSatisfy({ 0x21...0x7E ~= $0 }) else { return nil }
        self.init(
            isSecure: scheme == "wss", host: host, port: port ?? (scheme == "wss" ? 443 : 80),
            path: pathEnd == target.startIndex ? "/" : String(target[..<pathEnd]),
            query: pathEnd == target.endIndex ? nil : String(target[target.index(after: pathEnd)...]))
    }

    /// Host and port of `host[:port]` or `[address]:port`; `nil` if the text is neither.
    public static func splitAuthority(_ authority: Substring) -> (host: String, port: Int?)? {
        var host = authority
        var portText: Substring?
        if authority.first == "[" {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<close]
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.first == ":" else { return nil }
            portText = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            guard authority.firstIndex(of: ":") == colon else { return nil }
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
        }
        guard !host.isEmpty else { return nil }
        guard let portText else { return (String(host), nil) }
        // Int(_:) alone would take a sign.
        guard portText.utf8.allSatisfy(isDigit), let port = Int(portText), 0...65535 ~= port else { return nil }
        return (String(host), port)
    }

    /// `host:port` as it stands in a `Host` field, brackets around an IPv6 address.
    public var authority: String {
        (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
    }

    /// The URL as text; it never holds a token.
    public var description: String {
        "\(isSecure ? "wss" : "ws")://\(authority)\(path)" + (query.map { "?" + $0 } ?? "")
    }

    /// The same server, another path.
    public func with(path: String, query: String? = nil) -> WebSocketURL {
        WebSocketURL(isSecure: isSecure, host: host, port: port, path: path, query: query)
    }

    /// Whether the host is this machine by a loopback name or address.
    public var isLoopback: Bool {
        Self.isLoopback(host)
    }

    /// Whether a name or address always means this machine.
    public static func isLoopback(_ host: String) -> Bool {
        let host = host.lowercased()
        if host == "::1" || isLocalName(host) { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { $0.utf8.allSatisfy(isDigit) && UInt8($0) != nil }
    }

    /// Whether a name is `localhost` or below it, which always means loopback (RFC 6761 section 6.3).
    public static func isLocalName(_ host: String) -> Bool {
        let host = host.lowercased()
        return host == "localhost" || host.hasSuffix(".localhost")
    }

    /// Whether host and target can stand in a request as they are: printable ASCII without spaces.
    ///
    /// Parts may come from a peer; a line break in one of them would put words into our request.
    public var isWellFormed: Bool {
        "\(host)\(path)\(query ?? "")".utf8.allSatisfy { 0x21...0x7E ~= $0 } && path.hasPrefix("/")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
}
