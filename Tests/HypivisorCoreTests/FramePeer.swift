import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

/// One end of a WebSocket connection as a test holds it, frame by frame: a viewer that dials, or an agent that is dialled.
final class FramePeer: WebSocketEndpoint {
    /// What is seen at the socket.
    enum Event: Sendable {
        case frame(Frame)
        case closed(Closure)
    }

    /// The connection, for the test's tasks.
    struct Handle: Sendable {
        let events: Inbox<Event>
        /// One element each time the socket takes more again.
        let writable: Inbox<Void>
        fileprivate let socket: NIOLoopBound<WebSocket>

        func send(_ frame: Frame) {
            onLoop { $0.send(frame) }
        }

        /// Sends them in one write.
        func send(_ frames: [Frame]) {
            onLoop { $0.send(frames) }
        }

        func send(text: String) {
            send(Frame(opcode: .text, payload: ByteBuffer(string: text)))
        }

        func close(_ code: CloseCode, _ reason: String = "") {
            onLoop { $0.close(code, reason: reason) }
        }

        func drop() {
            onLoop { $0.drop() }
        }

        func pauseReading() {
            onLoop { $0.pauseReading() }
        }

        func resumeReading() {
            onLoop { $0.resumeReading() }
        }

        /// Whether the socket takes more, asked on its loop.
        func isWritable() async throws -> Bool {
            try await socket.eventLoop.submit { socket.value.isWritable }.get()
        }

        /// Sends frames until the socket takes no more for a while.
        ///
        /// - Returns: How many it took.
        func fill(with payload: ByteBuffer, atMost limit: Int) async throws -> Int {
            for count in 0..<limit {
                guard try await hasRoom(within: .milliseconds(300)) else { return count }
                send(Frame(opcode: .binary, payload: payload))
            }
            return limit
        }

        private func hasRoom(within limit: Duration) async throws -> Bool {
            while try await !isWritable() {
                do {
                    guard try await writable.next("room", within: limit) != nil else { return false }
                } catch is DeadlinePassed {
                    return false
                }
            }
            return true
        }

        /// The next frame; fails at a close.
        func frame() async throws -> Frame {
            guard case .frame(let frame) = try await events.next("a frame") else {
                throw UnexpectedEnd()
            }
            return frame
        }

        func text() async throws -> String {
            String(buffer: try await frame().payload)
        }

        /// How the connection ended; frames before that are left out.
        func closure() async throws -> Closure {
            let event = try await events.next("the close") {
                if case .closed = $0 { true } else { false }
            }
            guard case .closed(let closure) = event else { throw UnexpectedEnd() }
            return closure
        }

        private func onLoop(_ body: @escaping @Sendable (WebSocket) -> Void) {
            socket.eventLoop.execute { body(socket.value) }
        }
    }

    struct UnexpectedEnd: Error {}

    let receivesFrames = true
    let receivesParts: Bool
    private let events = Inbox<Event>()
    private let writable = Inbox<Void>()
    private var socket: WebSocket?
    private let onOpened: @Sendable (Handle) -> Void

    init(receivesParts: Bool = false, onOpened: @escaping @Sendable (Handle) -> Void) {
        self.receivesParts = receivesParts
        self.onOpened = onOpened
    }

    /// Dials.
    static func dial(
        _ url: WebSocketURL, token: Token?, subprotocols: [String] = [], query: String? = nil,
        receivesParts: Bool = false
    ) async throws -> Handle {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let options = WebSocketClient.Options(
            token: token, subprotocols: subprotocols, socket: .init(outboxLimit: nil, heartbeat: nil))
        let handles = Inbox<Handle>()
        try await WebSocketClient.connect(to: url, options: options, on: loop) {
            FramePeer(receivesParts: receivesParts) { handles.append($0) }
        }.get()
        return try #require(try await handles.next("an open connection"))
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
        onOpened(Handle(events: events, writable: writable, socket: NIOLoopBound(socket, eventLoop: socket.eventLoop)))
    }

    func received(_ message: Message) {}

    func received(frame: Frame) {
        events.append(.frame(frame))
    }

    func writabilityChanged() {
        if socket?.isWritable == true { writable.append(()) }
    }

    func closed(_ closure: Closure) {
        socket = nil
        writable.finish()
        events.append(.closed(closure))
        events.finish()
    }
}

/// An agent's own endpoint: a server whose connections a test holds frame by frame.
struct FakeAgent: Sendable {
    let server: WebSocketServer
    /// The connections, as they come.
    let connections: Inbox<FramePeer.Handle>
    /// What was asked for with each.
    let requests: Inbox<HandshakeRequest>

    static func start(token: Token?, certificate: TLSCertificate? = nil) async throws -> FakeAgent {
        let connections = Inbox<FramePeer.Handle>()
        let requests = Inbox<HandshakeRequest>()
        let server = try await WebSocketServer.start(
            .init(
                host: "127.0.0.1", port: 0, policy: HandshakePolicy(token: token, machine: "desk"),
                certificate: certificate),
            on: MultiThreadedEventLoopGroup.singleton
        ) { request in
            let subprotocol = request.subprotocols.contains("pi-server.v1") ? "pi-server.v1" : nil
            return .webSocket(subprotocol: subprotocol, options: .init(outboxLimit: nil, heartbeat: nil)) {
                request, _ in
                requests.append(request)
                return FramePeer { connections.append($0) }
            }
        }
        return FakeAgent(server: server, connections: connections, requests: requests)
    }

    func stop() async {
        await server.stop(within: .seconds(1))
    }
}
