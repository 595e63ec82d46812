import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

/// Who is told the token on a machine with several users.
@Suite("Listeners of other users", .enabled(if: Stranger.isAvailable, "acting as another user needs root and Linux"))
struct PeerCheckTests {
    private func connect(_ host: String, _ port: Int, token: String? = "s3cret") async throws {
        let url = WebSocketURL(host: host, port: port, path: "/ws")
        let options = WebSocketClient.Options(token: token.flatMap { Token($0) }, timeout: .seconds(30))
        try await WebSocketClient.connect(to: url, options: options, on: MultiThreadedEventLoopGroup.singleton.next()) {
            EchoEndpoint(log: EndpointLog())
        }.get()
    }

    @Test(
        "are told nothing and named in the error, whether or not they accept, with a token and without",
        arguments: ["127.0.0.1", "::1", "127.0.0.2"], [true, false])
    func refused(_ address: String, _ accepts: Bool) async throws {
        let stranger = try Stranger(on: address, accepts: accepts)
        let url = WebSocketURL(host: address, port: stranger.port, path: "/ws")
        for token in ["s3cret", nil] {
            await #expect(throws: ConnectError.strangersListener(url, user: "nobody (uid 65534)")) {
                try await connect(address, stranger.port, token: token)
            }
        }
        #expect(try await stranger.stop() == "")
    }

    @Test("are not asked at all where 'localhost' is served on 127.0.0.1")
    func localhost() async throws {
        let server = try await EchoServer.start()
        let stranger = try Stranger(on: "::1", port: server.port)
        for host in ["localhost", "LOCALHOST", "api.localhost"] {
            try await connect(host, server.port, token: EchoServer.token)
        }
        #expect(try await stranger.stop() == "")
        await server.stop()
    }
}
