import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// What Tests/Scripts/ws-conformance.py, which shares no code with us, finds in either mode of ws-echo and behind a relay.
@Suite(
    "RFC 6455 by a peer of its own", .serialized,
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/python3"), "needs python3"))
struct WebSocketPeerTests {
    private func run(_ words: [String]) async throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Scripts/ws-conformance.py").standardizedFileURL.path
        var environment = ["PATH": "/usr/bin:/bin"]
        if Effort.isSanitized { environment["WS_SANITIZED"] = "1" }
        let process = try TestProcess("/usr/bin/python3", [script] + words, environment: environment)
        let (exit, output, errors) = try await process.finish(timeout: .seconds(300))
        #expect(exit == .status(0), "\(output)\(errors)")
        print(output, terminator: "")
    }

    @Test("a server and a client do what it says, whatever the other side does")
    func bothSides() async throws {
        try await run([Fixture.executable("ws-echo")])
    }

    @Test("a relay does too, to an agent that is dialled and through tunnels")
    func relay() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let token = try fixture.token().secret
        var urls: [String] = []
        for options in [["--id", "dialled"], ["--id", "tunnelled", "--tunnel"]] {
            let agent = try fixture.start("ws-echo", ["agent"] + options)
            let url = try #require(try JSON(parsing: try await agent.line(0))["url"]?.string)
            urls.append(url + "?token=" + token)
        }
        try await run(urls)
    }
}
