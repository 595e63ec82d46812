#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

public import HypiWire
public import NIOCore
import NIOPosix

/// A listening socket that turns requests into WebSocket connections.
public final class WebSocketServer: Sendable {
    /// What is behind a path.
    public enum Route: Sendable {
        /// A WebSocket; the endpoint is made on the connection's loop once the handshake is through.
        case webSocket(
            subprotocol: String? = nil, options: WebSocket.Options = .init(),
            makeEndpoint: @Sendable (HandshakeRequest, any EventLoop) -> any WebSocketEndpoint)
        /// A small plain answer that anybody may have, such as a health check.
        case answer(status: Int, body: String)
        /// Nothing.
        case notFound
    }

    /// How a server listens and whom it lets in.
    public struct Configuration: Sendable {
        /// The address or name to bind.
        public var host: String
        /// The port; 0 lets the system choose.
        public var port: Int
        /// Who may open a connection.
        public var policy: HandshakePolicy
        /// Connections through the handshake at once; beyond it the answer is 503.
        public var connectionLimit: Int
        /// What `wss://` is served with; `nil`: `ws://`.
        public var certificate: TLSCertificate?
        /// Time from accepting a connection to the end of its handshake; beyond it the connection is closed.
        public var handshakeTimeout: TimeAmount
        /// How late the answer to an attempt comes, from an address that has made too many wrong ones.
        public var refusalDelay = TimeAmount.seconds(Limits.refusalDelaySeconds)
        /// Told why connections cannot be accepted, at most once a minute; called on the listening channel's loop.
        public var onAcceptFault: (@Sendable (String) -> Void)?

        /// A configuration.
        public init(
            host: String, port: Int, policy: HandshakePolicy, connectionLimit: Int = Limits.connections,
            certificate: TLSCertificate? = nil,
            handshakeTimeout: TimeAmount = .seconds(Limits.handshakeSeconds)
        ) {
            self.host = host
            self.port = port
            self.policy = policy
            self.connectionLimit = connectionLimit
            self.certificate = certificate
            self.handshakeTimeout = handshakeTimeout
        }
    }

    /// Why a server does not listen.
    public enum BindError: Error, Sendable, Equatable {
        /// Another program has the port.
        case portTaken(host: String, port: Int)
        /// The port needs privileges, or the address is not this machine's.
        case refused(host: String, port: Int, reason: String)
        /// A name or address beyond this machine needs a token.
        case openWithoutToken(host: String)
        /// A name or address beyond this machine needs a token that cannot be guessed: ``Token/isShort``.
        case shortToken(host: String)
    }

    private let channel: any Channel
    /// The port that is listened on.
    public let port: Int

    private let gate: ConnectionGate

    private init(channel: any Channel, port: Int, gate: ConnectionGate) {
        self.channel = channel
        self.gate = gate
        self.port = port
    }

    /// Binds and starts to accept.
    ///
    /// - Parameters:
    ///   - configuration: Where to listen and whom to let in.
    ///   - group: The loops connections are spread over.
    ///   - route: What is behind a path; called on the connection's loop.
    /// - Returns: The listening server.
    /// - Throws: ``BindError``; nothing listens then.
    public static func start(
        _ configuration: Configuration, on group: any EventLoopGroup,
        route: @escaping @Sendable (HandshakeRequest) -> Route
    ) async throws(BindError) -> WebSocketServer {
        let (host, port) = (configuration.host, configuration.port)
        if !WebSocketURL.isLoopback(host), let error = exposure(configuration) { throw error }
        let gate = ConnectionGate(configuration, route: route)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try gate.admit(channel) }
            }
        do {
            // A resolver may put ::1 first; clients look at 127.0.0.1 first.
            let place = WebSocketURL.isLocalName(host) ? "127.0.0.1" : host
            let channel = try await bootstrap.bind(host: place, port: port).get()
            if let tell = configuration.onAcceptFault {
                // Behind the bootstrap's own handler, which tells of connections that the gate did not admit.
                try await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(AcceptWatch(tell: tell))
                }.get()
            }
            let server = WebSocketServer(channel: channel, port: channel.localAddress?.port ?? port, gate: gate)
            // The resolver decides what a name means; only the address itself shows who can connect.
            let address = channel.localAddress?.ipAddress ?? ""
            if !WebSocketURL.isLoopback(address), let error = exposure(configuration) {
                await server.stopAccepting()
                throw error
            }
            return server
        } catch let error as BindError {
            throw error
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw .portTaken(host: host, port: port)
        } catch {
            throw .refused(host: host, port: port, reason: TransportFault.reason(error))
        }
    }

    /// Why others than this machine's programs must not be able to connect.
    private static func exposure(_ configuration: Configuration) -> BindError? {
        guard let token = configuration.policy.token else { return .openWithoutToken(host: configuration.host) }
        return token.isShort ? .shortToken(host: configuration.host) : nil
    }

    /// Stops accepting; connections that are open stay.
    public func stopAccepting() async {
        // Closing a listening socket twice is the only failure, and leaves what was wanted.
        try? await channel.close()
    }
    /// Stops accepting, says goodbye on every open connection, and waits until they are over.
    ///
    /// - Parameters:
    ///   - closure: The close code and reason that every peer gets.
    ///   - limit: How long peers have to answer; after that their connections are cut.
    public func stop(_ closure: Closure = Closure(code: .goingAway), within limit: TimeAmount) async {
        await stopAccepting()
        await gate.closeAll(closure, within: limit, on: channel.eventLoop)
    }
}
