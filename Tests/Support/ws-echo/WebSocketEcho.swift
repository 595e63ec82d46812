import ArgumentParser
import HypiNet
import HypiTool
import HypiWire
import NIOCore
import NIOPosix

/// Echoes through HypiNet exactly as the product uses it, for conformance suites and independent peers.
///
/// - `server` and `client` stand at either end of a connection;
/// - `cases` is what Autobahn's fuzzing server tests;
/// - `agent` stands behind a hypivisor, whose relay is then what is tested.
@main
struct WebSocketEcho: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ws-echo", abstract: "Echo WebSocket messages, as a server, as a client or as an agent.",
        subcommands: [Server.self, Client.self, Cases.self, Agent.self])

    /// `ws-echo server`: prints its URL and echoes until it is ended.
    struct Server: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Listen on loopback and echo.")

        @Option(help: "The port; 0 lets the system choose.") var port = 0

        func run() async throws {
            try await ToolRun.run("ws-echo server") {
                let server = try await WebSocketEcho.listen(port: port, token: nil)
                try StandardOutput.write(record: ["url": .string("ws://127.0.0.1:\(server.port)/")])
                return try await WebSocketEcho.stay()
            }
        }
    }

    /// `ws-echo client URL`: echoes what the server sends until the server closes.
    struct Client: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Connect, echo, and print how it was closed.")

        @Argument(help: "A ws:// URL.") var url: String

        func run() async throws {
            try await ToolRun.run("ws-echo client") {
                let closure = try await WebSocketEcho.echo(try WebSocketEcho.parse(url))
                try StandardOutput.write(
                    record: ["code": .int(closure.code.rawValue), "reason": .string(closure.reason)])
                return .success
            }
        }
    }

    static func parse(_ text: String) throws(Failure) -> WebSocketURL {
        guard let url = WebSocketURL(text) else { throw Failure(.usage, "not a ws:// URL: \(text)") }
        return url
    }

    /// A server on loopback whose every path echoes.
    static func listen(port: Int, token: Token?) async throws -> WebSocketServer {
        let configuration = WebSocketServer.Configuration(
            host: "127.0.0.1", port: port, policy: HandshakePolicy(token: token, machine: "localhost"))
        return try await WebSocketServer.start(configuration, on: MultiThreadedEventLoopGroup.singleton) { _ in
            .webSocket(options: .init(outboxLimit: nil)) { _, _ in Echo() }
        }
    }

    /// One connection as a client, until it is over.
    static func echo(_ url: WebSocketURL) async throws -> Closure {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let ended = eventLoop.makePromise(of: Closure.self)
        let options = WebSocketClient.Options(
            socket: .init(messageLimit: Limits.serverMessageBytes, outboxLimit: nil))
        let connected = WebSocketClient.connect(to: url, options: options, on: eventLoop) { Echo(ended: ended) }
        connected.whenFailure { ended.fail($0) }
        return try await ended.futureResult.get()
    }

    /// Waits for the signal that ends the program.
    static func stay() async throws -> ExitStatus {
        let (never, sink) = AsyncStream.makeStream(of: Never.self)
        for await _ in never {}
        sink.finish()
        return .success
    }
}
