import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOPosix
import Testing

/// Another user listens where a hypivisor or an agent is expected.
@Suite(
    "Programs and another user's listener",
    .enabled(if: Stranger.isAvailable, "acting as another user needs root and Linux"))
struct OtherUserTests {
    @Test("tools end with 77, name the user, and say nothing to them")
    func tools() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let stranger = try Stranger()
        let url = "ws://127.0.0.1:\(stranger.port)/ws"
        let folder = try fixture.makeFolder("api")
        let variables = ["HYPIVISOR_WS": url, "HYPI_TOKEN": "s3cret-s3cret-s3cret-s3cret-s3cret"]
        for (tool, arguments) in [
            ("hypi-ls", []), ("hypi-ls", ["--wait", "idle"]), ("hypi-ls", ["--watch"]), ("hypi-dirs", []),
            ("hypi-spawn", [folder]), ("hypi-spawn", ["--local", folder]), ("hypi-attach", ["-p", "hi"]),
            ("hypi-attach", ["-p", "hi", url]), ("hypi-attach", ["--stop", "api"]),
        ] {
            let result = try await fixture.run(tool, arguments, environment: variables)
            #expect(result.exit == .status(77), "\(tool) \(arguments): \(result)")
            #expect(result.errors.contains("another user listens there: nobody (uid 65534)"), "\(result.errors)")
        }
        #expect(try await stranger.stop() == "")
    }

    @Test("an agent keeps its token, tries again, and registers when its hypivisor is there")
    func agent() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, url) = try await fixture.startHypivisor()
        hypivisor.signal(SIGKILL)
        _ = try await hypivisor.waitForExit()
        let stranger = try Stranger(port: url.port, accepts: false)
        let agent = try await fixture.startAgent(["--id", "one"], environment: ["PI_SOCKET_RECONNECT_MS": "20"])
        try await agent.process.errors.wait("its remark") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("another user listens there")
        }
        #expect(try await stranger.stop() == "")
        _ = try await fixture.startHypivisor(["--port", "\(url.port)"])
        try await agent.process.errors.wait("its registration") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("registered id=one")
        }
    }

    @Test("a hypivisor does not show its token on the port of an agent that another user has")
    func relay() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor()
        let stranger = try Stranger()
        let token = try fixture.token()
        let agent = url.with(path: "/ws", query: "role=agent")
        try await RegistryClient.with(agent, options: .init(token: token), on: MultiThreadedEventLoopGroup.singleton) {
            _ = try await $0.request(
                "register",
                [
                    "id": "gone", "machine": "here", "cwd": "/", "port": .int(stranger.port), "instance": "i",
                    "version": "2",
                ])
            let result = try await fixture.run("hypi-attach", ["-p", "hi", "gone", "--timeout", "20s"])
            #expect(result.exit == .status(69), "\(result)")
            #expect(result.errors.contains("another user listens on its port"), "\(result)")
        }
        #expect(try await stranger.stop() == "")
    }
}
