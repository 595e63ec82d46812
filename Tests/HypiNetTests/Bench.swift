import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// One WebSocket of ours, on either side of a connection, with a handwritten peer at the other end.
struct Bench: Sendable {
    static let roles: [Role] = [.server, .client]

    let role: Role
    let peer: RawPeer
    let log: EndpointLog
    let handle: SocketHandle

    /// Opens a connection; what our endpoint receives it echoes, unless it is told otherwise.
    static func open(
        _ role: Role, options: WebSocket.Options = .init(heartbeat: nil), receivesFrames: Bool = false
    ) async throws -> Bench {
        let log = EndpointLog()
        let handle = SocketHandle()
        let makeEndpoint: @Sendable () -> any WebSocketEndpoint = {
            EchoEndpoint(log: log, handle: handle, receivesFrames: receivesFrames)
        }
        switch role {
        case .server: return try await openServer(options, log, handle, makeEndpoint)
        case .client: return try await openClient(options, log, handle, makeEndpoint)
        }
    }

    private static func openServer(
        _ options: WebSocket.Options, _ log: EndpointLog, _ handle: SocketHandle,
        _ makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) async throws -> Bench {
        let configuration = WebSocketServer.Configuration(
            host: "127.0.0.1", port: 0, policy: HandshakePolicy(token: nil, machine: "testbox"))
        let server = try await WebSocketServer.start(configuration, on: MultiThreadedEventLoopGroup.singleton) { _ in
            .webSocket(options: options) { _, _ in makeEndpoint() }
        }
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(EchoServer.request("GET / HTTP/1.1", port: server.port, token: nil))
        let peer = RawPeer(connection, isClient: true)
        try await peer.readHead()
        try await log.opening()
        await server.stopAccepting()
        return Bench(role: .server, peer: peer, log: log, handle: handle)
    }

    private static func openClient(
        _ options: WebSocket.Options, _ log: EndpointLog, _ handle: SocketHandle,
        _ makeEndpoint: @escaping @Sendable () -> any WebSocketEndpoint
    ) async throws -> Bench {
        let listener = try await RawListener.start()
        let opened = WebSocketClient.connect(
            to: WebSocketURL(host: "127.0.0.1", port: listener.port, path: "/"),
            options: .init(timeout: .seconds(60), socket: options),
            on: MultiThreadedEventLoopGroup.singleton.next(), makeEndpoint: makeEndpoint)
        let peer = RawPeer(try await listener.next(), isClient: false)
        await listener.stop()
        await peer.connection.send(SwitchingAnswer(to: try await peer.readHead()).text)
        try await opened.get()
        return Bench(role: .client, peer: peer, log: log, handle: handle)
    }

    /// Ends the connection without ceremony.
    func end() async {
        await peer.connection.close()
    }
}

/// The socket of an endpoint, for a test that is not on its loop.
final class SocketHandle: Sendable {
    private let socket = NIOLockedValueBox<NIOLoopBound<WebSocket>?>(nil)

    func set(_ socket: WebSocket) {
        let bound = NIOLoopBound(socket, eventLoop: socket.eventLoop)
        self.socket.withLockedValue { $0 = bound }
    }

    /// The loop the connection lives on.
    func eventLoop() async throws -> any EventLoop {
        guard let bound = socket.withLockedValue({ $0 }) else { throw DeadlinePassed("not open") }
        return bound.eventLoop
    }

    /// Does something with the socket, on its loop, and waits until it is done.
    func run(_ body: @escaping @Sendable (WebSocket) -> Void) async throws {
        guard let bound = socket.withLockedValue({ $0 }) else { throw DeadlinePassed("not open") }
        try await bound.eventLoop.submit { body(bound.value) }.get()
    }
}

/// A server's agreement to a client's request, with lines replaced or added to make it wrong.
struct SwitchingAnswer {
    var accept: String
    var status = "HTTP/1.1 101 Switching Protocols"
    var fields = ["Upgrade: websocket", "Connection: Upgrade"]

    init(to head: String) {
        let line = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") }
        let key = line?.split(separator: " ").last ?? ""
        accept = SHA1.base64("\(key)258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    }

    var text: String {
        ([status] + fields + ["Sec-WebSocket-Accept: \(accept)", "", ""]).joined(separator: "\r\n")
    }
}
