import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("Programs keep their token to themselves", .serialized) struct PiSocketSecretTests {
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

    @Test("a token that hypivisor and clients have from the environment is in nothing that their agents can read")
    func everybody() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secret = "s3cr3t-" + UUID().uuidString
        let environment = ["HYPI_TOKEN": secret]
        let hypivisor = try fixture.start("hypivisor", ["--port", "0"], environment: environment)
        _ = try await hypivisor.line(0, timeout: .seconds(60))
        let spawned = try await fixture.run(
            "hypi-spawn", [try fixture.makeFolder("work"), "--prompt", "hello"], environment: environment,
            timeout: .seconds(60))
        #expect(spawned.exit == .status(0), "\(spawned.errors)")
        let list = try fixture.start("hypi-ls", ["--watch", "--json"], environment: environment)
        _ = try await list.line(0, timeout: .seconds(60))
        let follower = try fixture.start("hypi-attach", ["--follow", "work"], environment: environment)
        // It watches once it has seen a prompt, which is repeated until it does.
        while follower.output.bytes.isEmpty {
            let said = try await fixture.run("hypi-attach", ["-p", "hello", "work"], environment: environment)
            #expect(said.exit == .status(0), "\(said.errors)")
        }
        let pids = Fixture.processes(withHome: fixture.home)
        #expect(Set(pids).isSuperset(of: [hypivisor.pid, list.pid, follower.pid]) && pids.count >= 6)
        for pid in pids { try expect(pid, toHide: secret) }
    }

    /// What everybody of this person may read of a process does not hold the secret.
    private func expect(_ pid: pid_t, toHide secret: String) throws {
        for file in ["environ", "cmdline"] {
            let bytes = try #require(FileManager.default.contents(atPath: "/proc/\(pid)/\(file)"))
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(!text.isEmpty && !text.contains(secret), "\(pid) \(file)")
        }
    }

    @Test("a token in a registry's URL does not get onto the command line of what is started")
    func commandLine() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secret = "s3cr3t-" + UUID().uuidString
        let url = "ws://127.0.0.1:9/ws?token=\(secret)"
        let folder = try fixture.makeFolder("work")
        for (tool, arguments) in [
            ("pi-socket", ["--detach", "--port", "0", "--hypivisor", url]),
            ("pi-socket", ["--detach", "--port", "0", "--hypivisor=\(url)", "--", "--thinking", "off"]),
            ("hypi-spawn", ["--local", "--hypivisor", url, folder]),
        ] {
            let started = try await fixture.run(tool, arguments, timeout: .seconds(60))
            #expect(started.exit == .status(0), "\(started.errors)")
            let ready = try JSON(parsing: started.output)
            let (id, pid) = (try #require(ready["id"]?.string), pid_t(try #require(ready["pid"]?.int)))
            // It knows where to go all the same.
            let log = fixture.home + "/.local/state/hyper-pi/log/\(id).log"
            let tail = try TestProcess("/usr/bin/tail", ["-n", "+1", "-F", log], environment: [:])
            try await tail.output.wait("the complaint of \(arguments)", timeout: .seconds(60)) { bytes, _ in
                String(decoding: bytes, as: UTF8.self).contains("not registered: cannot reach ws://127.0.0.1:9/ws")
            }
            #expect(!tail.output.text.contains(secret))
            try expect(pid, toHide: secret)
            kill(pid, SIGTERM)
            try await Fixture.end(of: [pid])
        }
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
