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
    /// Another user of this machine listens there; their name.
    case strangersListener(WebSocketURL, user: String)
    /// It cannot be told which user listens there, and there is a token to protect.
    case unknownListener(WebSocketURL, reason: String)
    /// The server's certificate is not one that we trust, or TLS itself failed.
    case untrusted(WebSocketURL, TLSError)

    /// Whether the server refused the token, the origin or the name, or is not one that may see the token.
    public var isRefusedEntry: Bool {
        switch self {
        case .refused(_, let status, _): status == 401 || status == 403 || status == 429
        case .strangersListener, .unknownListener: true
        default: false
        }
    }
}

extension ConnectError: CustomStringConvertible {
    /// What failed and where, in words.
    public var description: String {
        switch self {
        case .unreachable(let url, let reason): "cannot reach \(url): \(reason)"
        case .timedOut(let url): "cannot reach \(url): timed out"
        case .refused(let url, let status, let message): "\(url) answered \(status): \(message)"
        case .notWebSocket(let url): "\(url) does not speak WebSocket"
        case .tokenInTheClear(let url): "will not send the token to \(url.host) unencrypted"
        case .strangersListener(let url, let user): "will not talk to \(url): another user listens there: \(user)"
        case .unknownListener(let url, let reason):
            "will not send the token to \(url): cannot tell which user listens there: \(reason)"
        case .untrusted(let url, let error):
            switch error {
            case .unusable: "\(error)"
            case .untrusted, .otherPin: "will not trust \(url): \(error)"
            default: "cannot reach \(url): \(error)"
            }
        }
    }
}
