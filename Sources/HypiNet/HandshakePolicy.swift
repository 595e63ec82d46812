import HypiWire

/// Who may open a connection (specs/protocol.md, section 4): the same rules for every listening socket.
///
/// A web page can make a browser connect to loopback, so a browser (a request with an `Origin`) is let in only from an
/// origin that was allowed, or from a page that this server's own name served; and that name is checked, because a DNS
/// name that a stranger owns can be made to point here. Everybody shows the token.
public struct HandshakePolicy: Sendable {
    /// The token everybody must show; `nil` under `--no-auth`.
    public var token: Token?
    /// Origins that may connect beside the server's own.
    public var allowedOrigins: Set<Origin>
    /// Names of this server beside loopback, the bound address and the machine's name.
    public var allowedHosts: Set<String>
    /// Whether this server serves pages, which may then connect to it without a token under `--no-auth`.
    public var servesPages: Bool
    /// The machine's name.
    public var machine: String

    /// A policy.
    public init(
        token: Token?, allowedOrigins: Set<Origin> = [], allowedHosts: Set<String> = [], servesPages: Bool = false,
        machine: String
    ) {
        self.token = token
        self.servesPages = servesPages
        self.allowedOrigins = allowedOrigins
        self.allowedHosts = Set(allowedHosts.map { $0.lowercased() })
        self.machine = machine
    }

    /// Decides about one request; `nil` lets it in.
    ///
    /// - Returns: What to answer instead of the upgrade.
    public func refusal(of request: HandshakeRequest) -> Refusal? {
        if token == nil, !namesThisServer(request) { return .hostNotAllowed }
        if let refusal = originRefusal(of: request) { return refusal }
        guard let token else { return nil }
        guard let shown = request.shownToken else { return .tokenMissing }
        return token.matches(shown) ? nil : .tokenWrong
    }

    private func originRefusal(of request: HandshakeRequest) -> Refusal? {
        guard let origin = request.origin?.lowercased() else { return nil }
        if allowedOrigins.contains(where: { $0.description == origin }) { return nil }
        // A page of this server's own can only exist where it serves one; the token shows that a page belongs to the owner.
        guard servesPages || token != nil else { return .originNotAllowed }
        guard let host = request.host?.lowercased(), origin == "http://\(host)" || origin == "https://\(host)" else {
            return .originNotAllowed
        }
        return namesThisServer(request) ? nil : .hostNotAllowed
    }

    private func namesThisServer(_ request: HandshakeRequest) -> Bool {
        guard let (host, port) = WebSocketURL.splitAuthority(Substring(request.host?.lowercased() ?? "")) else {
            return false
        }
        guard (port ?? request.localPort) == request.localPort || allowedHosts.contains(host) else { return false }
        return WebSocketURL.isLoopback(host) || host == request.localAddress.lowercased()
            || host == machine.lowercased() || allowedHosts.contains(host)
    }
}

/// An answer before the upgrade: small, correct HTTP that tells a person what to do and an attacker nothing.
public struct Refusal: Error, Sendable, Equatable {
    /// The HTTP status.
    public var status: Int
    /// One line for a person.
    public var message: String
    /// Whether it counts as a guess at the token or at a name.
    var isAttempt: Bool

    /// An answer that says nothing about who asked.
    public init(status: Int, message: String) {
        self.init(status: status, message: message, isAttempt: false)
    }

    private init(status: Int, message: String, isAttempt: Bool) {
        self.status = status
        self.message = message
        self.isAttempt = isAttempt
    }

    static let badRequest = Refusal(status: 400, message: "not a valid WebSocket request")
    static let tokenMissing = Refusal(
        status: 401, message: "a token is needed: send 'Authorization: Bearer <token>'", isAttempt: true)
    static let tokenWrong = Refusal(status: 401, message: "the token is wrong", isAttempt: true)
    static let originNotAllowed = Refusal(
        status: 403, message: "this origin is not allowed (see --allow-origin)", isAttempt: true)
    static let hostNotAllowed = Refusal(
        status: 403, message: "this host name is not ours (see --allow-host)", isAttempt: true)
    static let tooManyAttempts = Refusal(status: 429, message: "too many wrong attempts: wait a minute")
    static let full = Refusal(status: 503, message: "too many connections: try again later")
    static let upgradeRequired = Refusal(status: 426, message: "this is a WebSocket endpoint")
    /// Nothing is at this path.
    public static let notFound = Refusal(status: 404, message: "not found")
}
