public import HypiNet
public import HypiWire
public import NIOCore
import NIOPosix

/// How a tool reaches its registry: the address, the way in, and the one loop all its connections live on.
public struct RegistryLink: Sendable {
    /// The registry endpoint.
    public let url: WebSocketURL
    /// How to connect.
    public let options: WebSocketClient.Options
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// A link as the options and the environment describe it; nothing is opened.
    ///
    /// - Parameters:
    ///   - endpoint: What the command line says.
    ///   - environment: The program's environment.
    ///   - timeout: How long a connection and its handshake may take; `nil`: the usual time.
    /// - Throws: ``Failure`` with status 64 or 78.
    public init(
        _ endpoint: EndpointOptions, _ environment: Environment, timeout: TimeAmount? = nil
    ) throws(Failure) {
        url = try endpoint.registry(environment)
        try endpoint.checkTrust(in: url)
        var options = try endpoint.clientOptions(environment)
        if let timeout { options.timeout = timeout }
        self.options = options
    }

    /// A feed of the roster that has not connected yet.
    ///
    /// - Parameter cursor: Where an earlier feed ended; `nil`: start with the list.
    /// - Returns: The feed.
    public func feed(since cursor: String? = nil) -> RosterFeed {
        RosterFeed(url, options: options, since: cursor, on: group)
    }

    /// Asks questions.
    ///
    /// - Parameters:
    ///   - keepsEvents: Whether the client's events will be read.
    ///   - body: What to ask.
    /// - Returns: What `body` returns.
    /// - Throws: `ConnectError`, what `body` throws, or why the connection ended under it.
    public func withClient<Result: Sendable>(
        keepsEvents: Bool = false, _ body: @escaping @Sendable (RegistryClient) async throws -> Result
    ) async throws -> Result {
        try await RegistryClient.with(url, options: options, keepsEvents: keepsEvents, on: group, body)
    }

    /// Opens a conversation with an agent through the registry's relay.
    ///
    /// - Parameters:
    ///   - id: The agent.
    ///   - subprotocols: Subprotocols to offer.
    /// - Returns: The open conversation.
    /// - Throws: `ConnectError`.
    public func openAgent(_ id: String, subprotocols: [String]) async throws -> MessageStream {
        let relay = url.with(path: "/ws/agent/" + PercentCoding.encode(id))
        return try await open(relay, token: options.token, subprotocols: subprotocols)
    }

    /// Opens a conversation with an agent at its own endpoint.
    ///
    /// - Parameters:
    ///   - url: The agent's endpoint.
    ///   - token: The token to show.
    ///   - subprotocols: Subprotocols to offer.
    /// - Returns: The open conversation.
    /// - Throws: `ConnectError`.
    public func open(_ url: WebSocketURL, token: Token?, subprotocols: [String]) async throws -> MessageStream {
        var options = options
        options.token = token
        options.subprotocols = subprotocols
        return try await MessageStream.connect(to: url, options: options, on: group)
    }
}
