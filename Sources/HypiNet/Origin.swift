import HypiWire

/// An origin as a browser sends it in `Origin`: scheme, host and a port that is not the scheme's own (RFC 6454 section 6.2).
public struct Origin: Sendable, Hashable, CustomStringConvertible {
    /// The text that a browser sends.
    public let description: String

    /// An origin as a person writes it: case, a final slash and the scheme's own port make no difference.
    ///
    /// `nil` for what no browser sends or nobody can mean: `null`, which pages without an origin send, `*`, a path, a user
    /// name, a host that is not ASCII, a text without a scheme.
    public init?(_ text: some StringProtocol) {
        let text = text.lowercased()
        guard let separator = text.firstRange(of: "://") else { return nil }
        let scheme = text[..<separator.lowerBound]
        var authority = text[separator.upperBound...]
        if authority.last == "/" { authority.removeLast() }
        guard let first = scheme.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first,
            scheme.utf8.allSatisfy(Self.isOfScheme), let (host, port) = WebSocketURL.splitAuthority(authority),
            Self.isHost(host), port != 0, authority.first != "[" || host.contains(":")
        else { return nil }
        let shown = host.contains(":") ? "[\(host)]" : host
        let isOwnPort = port == nil || (scheme == "http" && port == 80) || (scheme == "https" && port == 443)
        description = isOwnPort ? "\(scheme)://\(shown)" : "\(scheme)://\(shown):\(port ?? 0)"
    }

    private static func isOfScheme(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || "+-.".utf8.contains(byte)
    }

    private static func isHost(_ host: String) -> Bool {
        !host.isEmpty && host.utf8.allSatisfy { isAlphanumeric($0) || "-._:".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
}
