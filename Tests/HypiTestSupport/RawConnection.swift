import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A TCP connection that sends and receives plain bytes: the peer that does what no library would let it do.
public final class RawConnection: Sendable {
    /// What has been received.
    public let received: Transcript
    private let channel: any Channel

    fileprivate init(channel: any Channel, received: Transcript) {
        self.channel = channel
        self.received = received
    }

    /// Connects to a port of this machine.
    public static func connect(to port: Int, host: String = "127.0.0.1") async throws -> RawConnection {
        let received = Transcript()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(RawReceiver(received))
                }
            }
            .connect(host: host, port: port).get()
        return RawConnection(channel: channel, received: received)
    }

    /// Sends bytes and waits until the kernel has them; a connection that is gone takes nothing and says nothing.
    public func send(_ bytes: some Sequence<UInt8> & Sendable) async {
        // What a gone peer means shows in what is received.
        try? await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    /// Sends a text.
    public func send(_ text: String) async {
        await send(Array(text.utf8))
    }

    /// Sends bytes one by one, each in a packet of its own.
    public func sendByteByByte(_ bytes: [UInt8]) async {
        for byte in bytes { await send([byte]) }
    }

    /// Ends our half of the connection.
    public func closeOutput() async {
        try? await channel.close(mode: .output).get()
    }

    /// Ends the connection.
    public func close() async {
        try? await channel.close().get()
    }

    /// Stops or starts to read, so that the peer's bytes pile up.
    public func setReading(_ isOn: Bool) async throws {
        try await channel.setOption(.autoRead, value: isOn).get()
    }

    /// Reads a little of what has piled up.
    public func readOnce() {
        channel.read()
    }

    /// Everything received until the peer ended the connection.
    public func untilEnd(timeout: Duration = .seconds(30)) async throws -> [UInt8] {
        try await received.wait("the end of the connection", timeout: timeout) { _, hasEnded in hasEnded }
        return received.bytes
    }
}

/// A listening socket whose connections are plain bytes.
public final class RawListener: Sendable {
    /// The port.
    public let port: Int
    /// The connections, as they come.
    public let connections: AsyncStream<RawConnection>
    private let channel: any Channel

    private init(channel: any Channel, connections: AsyncStream<RawConnection>) {
        self.channel = channel
        port = channel.localAddress?.port ?? 0
        self.connections = connections
    }

    /// Listens on a free port of loopback.
    public static func start() async throws -> RawListener {
        let (stream, sink) = AsyncStream.makeStream(of: RawConnection.self)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let received = Transcript()
                    // Not before it is active: a listener that stops earlier takes the connection with it.
                    let receiver = RawReceiver(received) {
                        sink.yield(RawConnection(channel: channel, received: received))
                    }
                    try channel.pipeline.syncOperations.addHandler(receiver)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawListener(channel: channel, connections: stream)
    }

    /// The next connection.
    public func next() async throws -> RawConnection {
        try await within(.seconds(30), "a connection") {
            for await connection in self.connections { return connection }
            throw DeadlinePassed("the listener has ended")
        }
    }

    /// Stops listening.
    public func stop() async {
        try? await channel.close().get()
    }
}

private final class RawReceiver: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let transcript: Transcript

    private let onActive: () -> Void

    init(_ transcript: Transcript, onActive: @escaping () -> Void = {}) {
        self.transcript = transcript
        self.onActive = onActive
    }

    func channelActive(context: ChannelHandlerContext) {
        onActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // An array is appended as a block; a view goes byte by byte in a debug build, and holds up the loop.
        transcript.append(Array(buffer: unwrapInboundIn(data)))
    }

    func channelInactive(context: ChannelHandlerContext) {
        transcript.end()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
