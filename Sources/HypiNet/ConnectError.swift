public import HypiWire

/// Why a WebSocket connection was not opened.
public enum ConnectError: Error, Sendable, Equatable {
    /// Nobody listens, or the network does not carry us there; the reason is the system's own.
    case unreachable(WebSocketURL, reason: String)
    /// The connection or its handshake took too long.
    case timedOut(WebSocketURL)
    /// The server answered with an HTTP status instead of an upgrade; its own words, without control characters.
    case refused(WebSocketURL, status: Int, message: String)
    /// The server's answer is not a WebSocket handshake.
    case notWebSocket(WebSocketURL)
    /// The token would have gone over the network in the clear.
    case tokenInTheClear(WebSocketURL)
    /// The server's certificate is not one that we trust, or TLS itself failed.
    case untrusted(WebSocketURL, TLSError)

    /// Whether the server refused the token, the origin or the name.
    public var isRefusedEntry: Bool {
        if case .refused(_, let status, _) = self { status == 401 || status == 403 || status == 429 } else { false }
    }
}
