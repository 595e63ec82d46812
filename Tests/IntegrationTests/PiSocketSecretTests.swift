import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("pi-socket keeps its token to itself") struct PiSocketSecretTests {
    @Test("a token in the environment is in no agent's env, in no log and in nothing that ps shows")
    func token() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secret = "s3cr3t-" + UUID().uuidString
        let log = fixture.home + "/bridge.log"
        let (process, url) = try await fixture.startSecretly(secret, ["--log-file", log, "--log-level", "trace"])
        let viewer = try await Viewer(url, token: Token(secret))
        viewer.send("!env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; echo the end")
        _ = try await viewer.frame("the tool's output") {
            $0["type"] == "tool_execution_end" && $0.text.contains("the end")
        }
        // Another viewer with the token in its URL, as browsers need it, and one that is refused.
        _ = try await Viewer(url.with(path: "/ws", query: "token=\(secret)"), token: nil)
        await #expect(throws: ConnectError.self) { try await Viewer(url, token: Token("wrong-token-of-some-length")) }
        let all = viewer.frames.all.map { String(buffer: $0) }.joined()
        #expect(all.contains("HOME=\(fixture.home)"))
        #expect(!all.contains(secret))
        kill(process.pid, SIGTERM)
        let end = try await process.finish()
        #expect(!end.output.contains(secret) && !end.errors.contains(secret))
        #expect(try !String(contentsOfFile: log, encoding: .utf8).contains(secret))
    }
}

extension Fixture {
    fileprivate func startSecretly(
        _ secret: String, _ arguments: [String]
    ) async throws -> (TestProcess, WebSocketURL) {
        let process = try start(
            "pi-socket", ["--port", "0"] + arguments,
            environment: ["HYPI_TOKEN": secret, "HYPIVISOR_WS": "ws://127.0.0.1:9/ws?token=\(secret)"])
        let ready = try JSON(parsing: try await process.line(0))
        return (process, try #require(ready["url"]?.string.flatMap { WebSocketURL($0) }))
    }
}
