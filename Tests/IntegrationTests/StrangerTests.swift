import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// What somebody without a token, or a server that is none, can take from a program (specs/threat-model.md).
@Suite("Strangers without a token", .serialized)
struct StrangerTests {
    private static let limit = 192 << 20
    private static let hasLimits = FileManager.default.isExecutableFile(atPath: "/usr/bin/prlimit")

    private func limited(_ line: String, _ fixture: Fixture) throws -> TestProcess {
        try TestProcess(
            "/bin/sh", ["-c", "exec prlimit --data=\(Self.limit) \(Fixture.executables)/\(line)"],
            environment: fixture.environment, cwd: fixture.home)
    }

    private func port(_ process: TestProcess) async throws -> Int {
        let ready = try JSON(parsing: try await process.line(0, timeout: .seconds(60)))
        return try #require(ready["url"]?.string.flatMap { WebSocketURL($0) }?.port)
    }

    @Test(
        "Floods that begin with empty lines, a head or TLS leave a server with little memory as it was",
        .enabled(if: hasLimits, "needs prlimit"),
        .enabled(if: !Effort.isSanitized, "a sanitizer takes memory of its own"),
        arguments: ["hypivisor --port 0", "hypivisor --port 0 --tls-self-signed", "pi-socket --port 0 --standalone"])
    func flood(_ line: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let server = try limited(line, fixture)
        let port = try await port(server)
        let flood = [UInt8](repeating: 0x78, count: 256 << 20)
        let record = "\u{16}\u{3}\u{1}\u{40}\u{0}\u{1}"
        for start in ["\r\n\r\n", "\r\n\r\nGET", "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", record] {
            let connection = try await RawConnection.connect(to: port)
            await connection.send(start)
            await connection.send(flood)
            await connection.close()
        }
        let peak = ResidentMemory.peak(of: server.pid)
        print("\(line) held \(peak >> 20) MB at most")
        #expect(peak < 100 << 20)
        server.signal(SIGTERM)
        #expect(try await server.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test(
        "A server that never ends its answer costs a tool neither memory nor its patience",
        .enabled(if: hasLimits, "needs prlimit"),
        .enabled(if: !Effort.isSanitized, "a sanitizer takes memory of its own"),
        arguments: ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 401 No\r\nX: y\r\n\r\n"])
    func endlessAnswer(_ row: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let listener = try await RawListener.start()
        let tool = try limited("hypi-ls --hypivisor ws://127.0.0.1:\(listener.port)/ws --timeout 60", fixture)
        let connection = try await listener.next()
        let flood = Array(String(repeating: row, count: (64 << 20) / row.utf8.count).utf8)
        await connection.send(flood)
        let (exit, _, errors) = try await tool.finish(timeout: .seconds(60))
        #expect([.status(69), .status(76), .status(77)].contains(exit), "\(exit) \(errors)")
        #expect(errors.split(separator: "\n").count == 1, "\(errors)")
        await listener.stop()
    }

    @Test(
        "A short token is one clear line: refused beyond this machine, warned of on it",
        arguments: ["hypivisor", "pi-socket"])
    func shortToken(_ tool: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secret = ["HYPI_TOKEN": "7291"]
        let refused = try await fixture.run(tool, ["--port", "0", "--host", "0.0.0.0"], environment: secret)
        #expect(refused.exit == .status(78) && refused.output == "")
        #expect(refused.errors.split(separator: "\n").count == 1 && refused.errors.contains("32 characters"))
        #expect(!refused.errors.contains("7291"))
        let server = try fixture.start(tool, ["--port", "0"], environment: secret)
        _ = try await port(server)
        try await server.errors.wait("the warning", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("fewer than 32 characters")
        }
        server.signal(SIGTERM)
        #expect(try await server.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test(
        "An origin that no browser sends, or that anybody could send, is a mistake of the command line",
        arguments: ["hypivisor", "pi-socket"])
    func origins(_ tool: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        for origin in ["null", "*", "foo", "https://dash.example/x"] {
            let refused = try await fixture.run(tool, ["--port", "0", "--allow-origin", origin])
            let errors = refused.errors
            #expect(refused.exit == .status(64) && errors.split(separator: "\n").count == 1, "\(errors)")
            #expect(errors.contains("'\(origin)'") && errors.contains("--allow-origin"), "\(errors)")
        }
        _ = try fixture.makeFolder(".config/hyper-pi")
        try "allow-origin = null\n".write(
            toFile: fixture.home + "/.config/hyper-pi/config", atomically: true, encoding: .utf8)
        let refused = try await fixture.run(tool, ["--port", "0"])
        #expect(refused.exit == .status(78) && refused.errors.contains("config:1"), "\(refused.errors)")
    }
}
