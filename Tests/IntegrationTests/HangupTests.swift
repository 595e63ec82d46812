import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("Hangup: what SIGHUP means to a server with a certificate") struct HangupTests {
    /// Holds a terminal for a program and goes on saying what it says; when this ends, the terminal is gone.
    private static let holder = """
        import os, pty, sys
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.argv[1], sys.argv[1:])
        while True:
            try:
                text = os.read(terminal, 65536)
            except OSError:
                sys.exit(0)
            os.write(1, text)
        """

    /// Starts a server on a terminal, to which it writes its ready line and its log.
    private func start(
        _ tool: String, _ arguments: [String], in fixture: Fixture
    ) async throws -> (holder: TestProcess, url: WebSocketURL, pid: pid_t) {
        let holder = try TestProcess(
            "/usr/bin/python3", ["-c", Self.holder, Fixture.executable(tool), "--port", "0"] + arguments,
            environment: fixture.environment, cwd: fixture.home)
        try await holder.output.wait("the ready line", timeout: .seconds(60)) { bytes, hasEnded in
            hasEnded || Self.ready(bytes) != nil
        }
        let ready = try #require(Self.ready(holder.output.bytes), "\(holder.output.text)")
        let url = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) })
        return (holder, url, pid_t(try #require(ready["pid"]?.int)))
    }

    private static func ready(_ bytes: [UInt8]) -> JSON? {
        // A terminal ends its lines with CR LF.
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.lazy.compactMap { try? JSON(parsing: String($0)) }.first { $0["event"]?.string == "ready" }
    }

    @Test(
        "with its terminal there it reads the certificate again; when the terminal goes, it ends in order",
        arguments: ["hypivisor", "pi-socket"])
    func terminal(_ tool: String) async throws {
        let (fixture, made) = (try Fixture(), try TestCertificates())
        defer {
            fixture.cleanUp()
            made.cleanUp()
        }
        let pair = try made.issue("server")
        let standalone = tool == "pi-socket" ? ["--standalone"] : []
        let (holder, url, pid) = try await start(
            tool, pair.serverOptions + standalone, in: fixture)
        let token = try fixture.token()
        let viewer = try await Viewer(url, token: token, trust: TLSTrust(pin: TLSPin(made.fingerprint(of: pair))))
        _ = try made.issue("server")
        kill(pid, SIGHUP)
        try await holder.output.wait("the reload: \(holder.output.text)") { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("certificate read again")
        }
        let next = try await Viewer(url, token: token, trust: TLSTrust(pin: TLSPin(made.fingerprint(of: pair))))
        await next.close()
        #expect(viewer.frames.closure == nil)
        holder.signal(SIGKILL)
        try await viewer.wait("the end of \(tool)") { $0.closure != nil }
        #expect(viewer.frames.closure?.code == .goingAway)
    }
}
