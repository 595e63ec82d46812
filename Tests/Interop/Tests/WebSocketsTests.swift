import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

/// Python's websockets, of which `make interop` says where it is.
@Suite(
    "Python's websockets",
    .enabled(if: OutsidePeer.python.interpreter != nil, "HYPI_INTEROP_PYTHON names a Python with websockets"))
struct WebSocketsTests {
    @Test(
        "talks to hypivisor, to an agent and through the relay, and is refused as it should be",
        arguments: [false, true])
    func client(isSecure: Bool) async throws {
        let (fixture, certificates) = (try Fixture(), try Certificates.shared.get())
        defer { fixture.cleanUp() }
        let (pair, authority) = (certificates.good, certificates.authority.authority)
        let options = isSecure ? pair.serverOptions : []
        let (_, registry) = try await fixture.startHypivisor(["--port", "0"] + options)
        let agent = try await fixture.startAgent(["--id", "spoken-to"] + options)
        let listed = try await fixture.run("hypi-ls", ["--wait", "ready", "spoken-to"])
        #expect(listed.exit == .status(0) && registry.isSecure == isSecure && agent.url.isSecure == isSecure)
        let token = try fixture.token().secret
        let arguments = ["\(registry)", "\(agent.url)", "spoken-to", token] + (isSecure ? [authority] : [])
        let result = try await OutsidePeer.python.start("client", arguments, in: fixture).finish(timeout: .seconds(160))
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
    }

    @Test(
        "is a server for our clients: messages of every size come back, and closes as they are",
        arguments: [false, true])
    func server(isSecure: Bool) async throws {
        let (fixture, certificates) = (try Fixture(), try Certificates.shared.get())
        defer { fixture.cleanUp() }
        let pair = certificates.good
        let files = isSecure ? [pair.certificate, pair.key] : []
        let server = try OutsidePeer.python.start("server", ["s3cret"] + files, in: fixture)
        let base = "\(isSecure ? "wss" : "ws")://127.0.0.1:\(try await server.line(0))"
        let trust = TLSTrust(authorityFile: certificates.authority.authority)
        let token = try #require(Token("s3cret"))
        let echo = try await Viewer(#require(WebSocketURL(base + "/echo")), token: token, trust: trust)
        let sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20, 5 << 20]
        for size in sizes { echo.send(String(repeating: "é", count: size / 2) + (size % 2 == 1 ? "x" : "")) }
        let frames = try await echo.wait("\(sizes.count) echoes", timeout: .seconds(60)) {
            $0.all.count == sizes.count || $0.closure != nil
        }
        #expect(frames.all.map(\.readableBytes) == sizes && frames.closure == nil)
        #expect(frames.all.allSatisfy { String(buffer: $0).allSatisfy { $0 == "é" || $0 == "x" } })
        await echo.close()
        let closing = try await Viewer(#require(WebSocketURL(base + "/close")), token: token, trust: trust)
        try await closing.wait("the close") { $0.closure != nil }
        #expect(closing.frames.closure == Closure(code: CloseCode(rawValue: 3005), reason: "as asked"))

        let believing = isSecure ? ["--ca-file", certificates.authority.authority] : []
        let options = believing + ["--hypivisor", base + "/ws"]
        let listed = try await fixture.run("hypi-ls", ["-q"] + options, environment: ["HYPI_TOKEN": "s3cret"])
        #expect(listed.exit == .status(0) && listed.output == "from-python\n", "\(listed)")
        let refused = try await fixture.run("hypi-ls", options, environment: ["HYPI_TOKEN": "guess"])
        #expect(refused.exit == .status(77), "\(refused)")
        // Of three connections that were made on this very machine.
        for number in 1...3 { #expect(try await server.line(number) == "-", "it is not asked to compress") }
    }

    @Test("is not believed as a server of another name, of yesterday, of itself or of another authority")
    func untrusted() async throws {
        let (fixture, certificates) = (try Fixture(), try Certificates.shared.get())
        defer { fixture.cleanUp() }
        for (pair, words) in [
            (certificates.named, "IP address mismatch"), (certificates.expired, "certificate has expired"),
            (certificates.selfSigned, "self-signed certificate"),
            (certificates.stranger, "unable to get local issuer certificate"),
        ] {
            let server = try OutsidePeer.python.start("server", ["s3cret", pair.certificate, pair.key], in: fixture)
            let url = "wss://127.0.0.1:\(try await server.line(0))/ws"
            let result = try await fixture.run(
                "hypi-ls", ["--hypivisor", url, "--ca-file", certificates.authority.authority],
                environment: ["HYPI_TOKEN": "s3cret"])
            #expect(result.exit == .status(77) && result.errors.contains(words), "\(result)")
            server.signal(SIGKILL)
        }
    }
}
