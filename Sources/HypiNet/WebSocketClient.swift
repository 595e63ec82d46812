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
        /// How the open connection behaves.
        public var socket: WebSocket.Options

        /// Options; the defaults are for a client that reads what servers send.
        public init(
            token: Token? = nil, subprotocols: [String] = [], timeout: TimeAmount = .seconds(Limits.handshakeSeconds),
            isInsecureAllowed: Bool = false,
            socket: WebSocket.Options = .init(messageLimit: Limits.serverMessageBytes)
        ) {
            self.token = token
            self.subprotocols = subprotocols
            self.timeout = timeout
            self.isInsecureAllowed = isInsecureAllowed
            self.socket = socket
        }
    }

    /// Connects, shakes hands and hands the open socket to an endpoint.
    ///
    /// The token never goes to another machine in the clear, and never to another host than the one asked for:
    /// redirects are not followed.
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
        guard !url.isSecure else { return eventLoop.makeFailedFuture(ConnectError.secureUnsupported(url)) }
        guard options.token == nil || url.isLoopback || options.isInsecureAllowed else {
            return eventLoop.makeFailedFuture(ConnectError.tokenInTheClear(url))
        }
        let opened = eventLoop.makePromise(of: Void.self)
        let started = NIODeadline.now()
        ClientBootstrap(group: eventLoop)
            .connectTimeout(options.timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handlers = try ClientHandshake.handlers(
                        url: url, options: options, deadline: started + options.timeout, opened: opened,
                        makeEndpoint: makeEndpoint)
                    try channel.pipeline.syncOperations.addHandlers(handlers)
                }
            }
            .connect(host: url.host, port: url.port)
            .whenFailure { error in
                if case ChannelError.connectTimeout = error {
                    opened.fail(ConnectError.timedOut(url))
                } else {
                    opened.fail(ConnectError.unreachable(url, reason: TransportFault.reason(error)))
                }
            }
        return opened.futureResult
    }
}
