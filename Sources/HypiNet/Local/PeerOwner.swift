public import NIOCore

/// Whose program is at the other end of a connection that was accepted.
///
/// It is asked for rights that the token alone does not give, so what cannot be told counts as somebody else.
public struct PeerOwner: Sendable {
    private let local: SocketAddress?
    private let remote: SocketAddress?

    /// The owner of the other end.
    ///
    /// - Parameters:
    ///   - local: Our end.
    ///   - remote: The other end.
    public init(local: SocketAddress?, remote: SocketAddress?) {
        self.local = local
        self.remote = remote
    }

    /// Whether a program of this very user, on this machine, holds the other end now.
    ///
    /// Root does not count unless we are root: a port forwarder of root stands for anybody on the network. Reads files, so
    /// not to be called on an event loop. macOS names no owner of another process's socket, so there it is never so.
    public var isOwnUser: Bool {
        guard let local, let remote, PeerCheck.applies(from: local, to: remote) else { return false }
        return PeerCheck.isHeldByOwnUser(remote, from: local)
    }
}
