import ArgumentParser
import HypiNet
import HypiWire
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Echoes through HypiNet exactly as the product uses it, for conformance suites and independent peers.
@main
struct WebSocketEcho: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ws-echo", abstract: "Echo WebSocket messages, as a server or as a client.",
        subcommands: [Server.self, Client.self])

    /// `ws-echo server`: prints its URL and echoes until it is ended.
    struct Server: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Listen on loopback and echo.")

        @Option(help: "The port; 0 lets the system choose.")
        var port = 0

        func run() async throws {
            let configuration = WebSocketServer.Configuration(
                host: "127.0.0.1", port: port, policy: HandshakePolicy(token: nil, machine: "localhost"))
            let server = try await WebSocketServer.start(
                configuration, on: MultiThreadedEventLoopGroup.singleton
            ) { _ in
                .webSocket { _, _ in Echo() }
            }
            writeRecord(["url": .string("ws://127.0.0.1:\(server.port)/")])
            try await Task.sleep(for: .seconds(Int64.max / 2_000_000_000))
        }
    }

    /// `ws-echo client URL`: echoes what the server sends until the server closes.
    struct Client: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Connect and echo.")

        @Argument(help: "A ws:// URL.")
        var url: String

        func run() async throws {
            guard let url = WebSocketURL(url) else { throw ValidationError("not a ws:// URL: \(self.url)") }
            let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
            let ended = eventLoop.makePromise(of: Closure.self)
            let connected = WebSocketClient.connect(to: url, on: eventLoop) { Echo(ended: ended) }
            connected.whenFailure { ended.fail($0) }
            let closure = try await ended.futureResult.get()
            writeRecord(["code": .int(closure.code.rawValue), "reason": .string(closure.reason)])
        }
    }
}

/// Writes one record to stdout at once: whoever waits for it reads a pipe, which `print` would fill first.
private func writeRecord(_ object: JSONObject) {
    let bytes = JSON.object(object).record
    _ = write(STDOUT_FILENO, bytes, bytes.count)
}

/// Sends every message back as it came.
final class Echo: WebSocketEndpoint {
    private var socket: WebSocket?
    private let ended: EventLoopPromise<Closure>?

    init(ended: EventLoopPromise<Closure>? = nil) {
        self.ended = ended
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
    }

    func received(_ message: Message) {
        socket?.send(message: message.payload, opcode: message.isText ? .text : .binary)
    }

    func closed(_ closure: Closure) {
        socket = nil
        ended?.succeed(closure)
    }
}
