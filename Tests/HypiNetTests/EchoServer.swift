import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A server under test that echoes at `/ws`, and what its endpoints saw.
struct EchoServer: Sendable {
    static let token = "0123456789abcdef-secret"

    let server: WebSocketServer
    let log: EndpointLog

    var port: Int { server.port }

    static func start(
        token: String? = EchoServer.token, origins: [String] = [], connectionLimit: Int = 100,
        handshakeTimeout: TimeAmount = .seconds(60), refusalDelay: TimeAmount? = nil,
        options: WebSocket.Options = .init(), greeting: String? = nil,
        host: String = "127.0.0.1"
    ) async throws -> EchoServer {
        let log = EndpointLog()
        let policy = HandshakePolicy(
            token: token.flatMap { Token($0) }, allowedOrigins: Set(origins.compactMap(Origin.init)), machine: "testbox"
        )
        var configuration = WebSocketServer.Configuration(
            host: host, port: 0, policy: policy, connectionLimit: connectionLimit, handshakeTimeout: handshakeTimeout)
        if let refusalDelay { configuration.refusalDelay = refusalDelay }
        let server = try await WebSocketServer.start(
            configuration, on: MultiThreadedEventLoopGroup.singleton
        ) { request in
            switch request.path {
            case "/ws":
                .webSocket(subprotocol: request.subprotocols.first { $0 == "echo.v1" }, options: options) { _, _ in
                    EchoEndpoint(log: log, greeting: greeting)
                }
            case "/healthz": .answer(status: 200, body: "ok")
            default: .notFound
            }
        }
        return EchoServer(server: server, log: log)
    }

    /// The head of a request that is let in, with fields left out and lines added to make it wrong.
    func request(
        _ line: String = "GET /ws HTTP/1.1", without: [String] = [], adding extra: [String] = [],
        token: String? = Self.token
    ) -> String {
        Self.request(line, without: without, adding: extra, port: port, token: token)
    }

    static func request(
        _ line: String, without: [String] = [], adding extra: [String] = [], port: Int, token: String?
    ) -> String {
        var lines = [
            "Host: 127.0.0.1:\(port)", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
        ]
        if let token { lines.append("Authorization: Bearer \(token)") }
        lines.removeAll { line in without.contains { line.lowercased().hasPrefix($0.lowercased() + ":") } }
        return ([line] + lines + extra + ["", ""]).joined(separator: "\r\n")
    }

    /// A connection whose handshake is through.
    func open() async throws -> RawPeer {
        let connection = try await RawConnection.connect(to: port)
        let peer = RawPeer(connection, isClient: true)
        await connection.send(request())
        try await peer.readHead()
        return peer
    }

    func stop() async {
        await server.stopAccepting()
    }
}

/// What endpoints saw, in order, for a test to wait for.
final class EndpointLog: Sendable {
    enum Event: Equatable, Sendable {
        case opened
        case message(String)
        case frame(Frame)
        case closed(Closure)
    }

    private let transcript = NIOLockedValueBox<[Event]>([])
    private let stream: AsyncStream<Event>
    private let sink: AsyncStream<Event>.Continuation

    init() {
        (stream, sink) = AsyncStream.makeStream(of: Event.self)
    }

    var events: [Event] { transcript.withLockedValue { $0 } }

    func add(_ event: Event) {
        transcript.withLockedValue { $0.append(event) }
        sink.yield(event)
    }

    /// Waits for the next connection that opens.
    func opening() async throws {
        try await within(.seconds(30), "an endpoint that opens") {
            for await event in self.stream where event == .opened { return }
        }
    }

    /// The closure of the next connection that ends.
    func closure(timeout: Duration = .seconds(30)) async throws -> Closure {
        try await within(timeout, "a closure; there is: \(self.events.suffix(20))") {
            for await event in self.stream {
                if case .closed(let closure) = event { return closure }
            }
            throw DeadlinePassed("the log has ended")
        }
    }
}

/// Echoes, and writes down what happens.
final class EchoEndpoint: WebSocketEndpoint {
    let receivesFrames: Bool
    private let log: EndpointLog
    private let handle: SocketHandle
    private let greeting: String?
    private var socket: WebSocket?

    init(
        log: EndpointLog, handle: SocketHandle = SocketHandle(), greeting: String? = nil, receivesFrames: Bool = false
    ) {
        self.log = log
        self.handle = handle
        self.greeting = greeting
        self.receivesFrames = receivesFrames
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        handle.set(socket)
        log.add(.opened)
        if let greeting { socket.send(text: ByteBuffer(string: greeting)) }
    }

    func received(_ message: Message) {
        log.add(.message(String(buffer: message.payload)))
        socket?.send(message: message.payload, opcode: message.isText ? .text : .binary)
        if message.payload == ByteBuffer(string: "drop") { socket?.drop() }
    }

    func received(frame: Frame) {
        log.add(.frame(frame))
        socket?.send(frame)
    }

    func closed(_ closure: Closure) {
        socket = nil
        log.add(.closed(closure))
    }
}
