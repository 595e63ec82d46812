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
    let policy: HandshakePolicy
    let handshakeTimeout: TimeAmount
    let route: @Sendable (HandshakeRequest) -> WebSocketServer.Route
    let refusals = RefusalLog()
    private let limit: Int
    private let certificate: TLSCertificate?
    /// A lock, because connections come and go on every loop.
    private let channels = NIOLockedValueBox<[ObjectIdentifier: any Channel]>([:])

    init(
        _ configuration: WebSocketServer.Configuration,
        route: @escaping @Sendable (HandshakeRequest) -> WebSocketServer.Route
    ) {
        limit = configuration.connectionLimit
        certificate = configuration.certificate
        policy = configuration.policy
        handshakeTimeout = configuration.handshakeTimeout
        self.route = route
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
        let isFull = channels.withLockedValue { channels in
            channels[key] = channel
            return channels.count > limit
        }
        channel.closeFuture.whenComplete { [channels] _ in channels.withLockedValue { $0[key] = nil } }
        if let certificate { try channel.pipeline.syncOperations.addHandler(certificate.handler()) }
        let codec = HandshakeHandler.Codec(
            valve: HeadValve(), decoder: ByteToMessageHandler(HTTPRequestDecoder()), encoder: HTTPResponseEncoder())
        let handshake = HandshakeHandler(gate: self, isFull: isFull, codec: codec)
        try channel.pipeline.syncOperations.addHandlers([codec.valve, codec.decoder, codec.encoder, handshake])
    }
}

extension ConnectionGate {
    /// Asks every open connection to close, and ends those that have not by the deadline.
    func closeAll(_ closure: Closure, within limit: TimeAmount, on eventLoop: any EventLoop) async {
        let open = channels.withLockedValue { Array($0.values) }
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
