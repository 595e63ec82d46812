import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What every connection of one server goes through: the count, the policy, the routes.
final class ConnectionGate: Sendable {
    /// What becomes of a request for a WebSocket.
    enum Judgement {
        case enters
        case refused(Refusal)
        /// The answer, `nil` being the upgrade, is given after ``refusalDelay``.
        case delayed(Refusal?)
    }

    private struct Connections: Sendable {
        /// Those that are not through the handshake.
        var pending: PendingConnections<any Channel>
        /// Those that are.
        var open: [ObjectIdentifier: any Channel] = [:]
    }

    let policy: HandshakePolicy
    let handshakeTimeout: TimeAmount
    let refusalDelay: TimeAmount
    let route: @Sendable (HandshakeRequest) -> WebSocketServer.Route
    private let refusals = RefusalLog()
    private let limit: Int
    private let certificate: TLSCertificate?
    /// A lock, because connections come and go on every loop.
    private let connections: NIOLockedValueBox<Connections>

    init(
        _ configuration: WebSocketServer.Configuration,
        route: @escaping @Sendable (HandshakeRequest) -> WebSocketServer.Route
    ) {
        limit = configuration.connectionLimit
        certificate = configuration.certificate
        policy = configuration.policy
        handshakeTimeout = configuration.handshakeTimeout
        refusalDelay = configuration.refusalDelay
        self.route = route
        let pending = PendingConnections<any Channel>(
            limit: DescriptorRoom.share(upTo: Limits.pendingConnections), limitPerNetwork: Limits.pendingPerAddress)
        connections = NIOLockedValueBox(Connections(pending: pending))
    }

    /// Decides about one request, and counts it where it is a wrong attempt.
    ///
    /// From an address with too many of those, the answer to another one comes late, and only so many answers are on
    /// their way at the same time. A token that could be guessed at that pace gets no better treatment than a wrong one,
    /// or the quick answer would be the guesser's; a long one is let in at once, so that a guesser delays nobody else.
    func judge(_ request: HandshakeRequest, at now: NIODeadline) -> Judgement {
        let refusal = policy.refusal(of: request)
        let isAttempt = refusal?.isAttempt ?? (policy.token?.isShort == true)
        let address = request.peerAddress
        guard isAttempt, refusals.isThrottled(address, at: now) else {
            if let refusal, refusal.isAttempt { refusals.record(address, at: now) }
            return refusal.map { .refused($0) } ?? .enters
        }
        guard refusals.delay(address, until: now + refusalDelay, at: now) else { return .refused(.tooManyAttempts) }
        return .delayed(refusal == nil ? nil : .tooManyAttempts)
    }

    /// Counts a connection among those that are through the handshake.
    ///
    /// - Returns: Whether there is room for it.
    func promote(_ channel: any Channel) -> Bool {
        let key = ObjectIdentifier(channel)
        return connections.withLockedValue { connections in
            // One that had to go meanwhile is on its way down, and no longer counted.
            guard connections.open.count < limit, connections.pending.remove(key) else { return false }
            connections.open[key] = channel
            return true
        }
    }

    /// Sets up the pipeline of a new connection, on its loop.
    ///
    /// - Throws: What accepting throws where descriptors are out, when only those are left that are kept back.
    func admit(_ channel: any Channel) throws {
        let descriptor = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { $0 }
        if let descriptor, DescriptorRoom.isReserved(descriptor) { throw IOError(errnoCode: EMFILE, reason: "accept") }
        let key = ObjectIdentifier(channel)
        let network = RefusalLog.network(HandshakeRequest.address(channel.remoteAddress))
        let oldest = connections.withLockedValue { $0.pending.add(channel, key: key, network: network) }
        oldest?.close(promise: nil)
        channel.closeFuture.whenComplete { [connections] _ in
            connections.withLockedValue { connections in
                connections.pending.remove(key)
                connections.open[key] = nil
            }
        }
        if let certificate { try channel.pipeline.syncOperations.addHandler(certificate.handler()) }
        let codec = HandshakeHandler.Codec(
            valve: HeadValve(), decoder: ByteToMessageHandler(HTTPRequestDecoder()), encoder: HTTPResponseEncoder())
        let handshake = HandshakeHandler(gate: self, codec: codec)
        try channel.pipeline.syncOperations.addHandlers([codec.valve, codec.decoder, codec.encoder, handshake])
    }
}

extension ConnectionGate {
    /// Asks every open connection to close, and ends those that have not by the deadline.
    func closeAll(_ closure: Closure, within limit: TimeAmount, on eventLoop: any EventLoop) async {
        let open = connections.withLockedValue { $0.pending.all + Array($0.open.values) }
        for channel in open {
            channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(ServerStop(closure: closure)) }
        }
        let deadline = eventLoop.scheduleTask(in: limit) {
            for channel in open { channel.close(promise: nil) }
        }
        // The future of all that complete, whichever way, does not fail.
        try? await EventLoopFuture.andAllComplete(open.map(\.closeFuture), on: eventLoop).get()
        deadline.cancel()
    }
}

/// The server stops: every connection closes with these words.
struct ServerStop: Sendable {
    var closure: Closure
}
