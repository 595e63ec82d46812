public import HypiWire
public import NIOCore
import NIOHTTP1
import NIOPosix

/// Opens WebSocket connections as a client.
public enum WebSocketClient {
    /// How a connection is opened and behaves.
    public struct Options: Sendable {
        /// The token to show, if there is one.
        public var token: Token?
        /// Subprotocols to offer, best first.
        public var subprotocols: [String]
        /// Time for connection and handshake together.
        public var timeout: TimeAmount
        /// Whether the token may go over plain `ws://` to another machine.
        public var isInsecureAllowed: Bool
        /// Which servers are believed on `wss://`.
        public var trust: TLSTrust
        /// How the open connection behaves.
        public var socket: WebSocket.Options

        /// Options; the defaults are for a client that reads what servers send.
        public init(
            token: Token? = nil, subprotocols: [String] = [], timeout: TimeAmount = .seconds(Limits.handshakeSeconds),
            isInsecureAllowed: Bool = false, trust: TLSTrust = TLSTrust(),
            socket: WebSocket.Options = .init(messageLimit: Limits.serverMessageBytes)
        ) {
            self.token = token
            self.subprotocols = subprotocols
            self.timeout = timeout
            self.isInsecureAllowed = isInsecureAllowed
            self.trust = trust
            self.socket = socket
        }
    }

    /// Connects, shakes hands and hands the open socket to an endpoint.
    ///
    /// The token never goes to another machine in the clear, and never to another host than the one asked for:
    /// redirects are not followed. On this machine it goes only to a server of the same user, or of root
    /// (specs/protocol.md#handshake).
    ///
    /// - Parameters:
    ///   - url: Where to.
    ///   - options: How.
    ///   - eventLoop: The loop the connection lives on.
    ///   - makeEndpoint: Makes the endpoint, on that loop, once the handshake is through.
    /// - Returns: A future that succeeds once the endpoint has been given the socket, and fails with ``ConnectError``.
    public static func connect(
        to url: WebSocketURL, options: Options = .init(), on eventLoop: any EventLoop,
        makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) -> EventLoopFuture<Void> {
        guard options.token == nil || url.isSecure || url.isLoopback || options.isInsecureAllowed else {
            return eventLoop.makeFailedFuture(ConnectError.tokenInTheClear(url))
        }
        guard url.isWellFormed else {
            return eventLoop.makeFailedFuture(ConnectError.unreachable(url, reason: "not a valid address"))
        }
        guard url.isSecure else { return connect(to: url, nil, options, on: eventLoop, makeEndpoint) }
        return TLSContexts.shared.configuration(options.trust, on: eventLoop)
            .flatMapErrorThrowing { throw connectError($0, url) }
            .flatMap { connect(to: url, $0, options, on: eventLoop, makeEndpoint) }
    }

    private static func connect(
        to url: WebSocketURL, _ rules: TLSConfiguration?, _ options: Options, on eventLoop: any EventLoop,
        _ makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) -> EventLoopFuture<Void> {
        let opened = eventLoop.makePromise(of: Void.self)
        let deadline = NIODeadline.now() + options.timeout
        // The handshake starts on the one connection that won: of a name with several addresses more than one may be
        // under way, and only one server is to see the token.
        ServerDial(url: url, options: options, eventLoop: eventLoop).connect()
            .flatMapThrowing { channel in
                if let rules {
                    let session = try TLSSession(rules, host: url.host)
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(session))
                }
                try ClientHandshake.start(
                    on: channel, url: url, options: options, deadline: deadline, opened: opened,
                    makeEndpoint: makeEndpoint)
                try channel.syncOptions?.setOption(.autoRead, value: true)
            }
            .whenFailure { error in opened.fail(connectError(error, url)) }
        return opened.futureResult
    }

    private static func connectError(_ error: any Error, _ url: WebSocketURL) -> ConnectError {
        if let error = error as? ConnectError { return error }
        if case ChannelError.connectTimeout = error { return .timedOut(url) }
        if let error = error as? TLSError { return .untrusted(url, error) }
        return .unreachable(url, reason: TransportFault.reason(error))
    }
}
