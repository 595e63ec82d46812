import HypiWire
import NIOCore
import NIOPosix

/// Opens the connection of a client, and hands it on only when it is known who answers (``PeerCheck``).
///
/// Nothing has been read or written by then.
struct ServerDial: Sendable {
    /// Where to.
    let url: WebSocketURL
    /// How: the time it may take, and whether there is a token to protect.
    let options: WebSocketClient.Options
    /// The loop the connection lives on.
    let eventLoop: any EventLoop

    /// Connects.
    ///
    /// - Returns: A connection that does not read yet; fails with ``ConnectError`` or what the transport throws.
    func connect() -> EventLoopFuture<any Channel> {
        open().flatMap { channel in
            check(channel).flatMapErrorThrowing { error in
                channel.close(promise: nil)
                throw error
            }.map { channel }
        }
    }

    private var bootstrap: ClientBootstrap {
        ClientBootstrap(group: eventLoop)
            .connectTimeout(options.timeout)
            // What a peer says before it is known who it is waits in the kernel.
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
    }

    /// `localhost` is this machine's own by RFC 6761 section 6.3: 127.0.0.1, where our servers listen, then ::1.
    ///
    /// A resolver may put ::1 first, where another user may listen while the server that is meant is on 127.0.0.1.
    private func open() -> EventLoopFuture<any Channel> {
        guard WebSocketURL.isLocalName(url.host) else {
            guard let address = try? SocketAddress(ipAddress: url.host, port: url.port) else {
                return bootstrap.connect(host: url.host, port: url.port)
            }
            return bootstrap.connect(to: address)
        }
        return open("127.0.0.1").flatMapError { error in
            // Of two refusals the first is of the address that people expect.
            open("::1").flatMapErrorThrowing { _ in throw error }
        }
    }

    private func open(_ address: String) -> EventLoopFuture<any Channel> {
        do {
            return bootstrap.connect(to: try SocketAddress(ipAddress: address, port: url.port))
        } catch {
            return eventLoop.makeFailedFuture(error)
        }
    }

    private func check(_ channel: any Channel) -> EventLoopFuture<Void> {
        // TLS proves who answers by a certificate, before the token is sent.
        guard !url.isSecure, let local = channel.localAddress, let remote = channel.remoteAddress,
            PeerCheck.applies(from: local, to: remote)
        else { return eventLoop.makeSucceededVoidFuture() }
        return NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop) {
            PeerCheck.verdict(from: local, to: remote)
        }.flatMapThrowing { verdict in
            switch verdict {
            case .trusted: break
            case .stranger(let user): throw ConnectError.strangersListener(url, user: user)
            // Without a token there is nothing to give away but what is said.
            case .unknown(let reason):
                if options.token != nil { throw ConnectError.unknownListener(url, reason: reason) }
            }
        }
    }
}
