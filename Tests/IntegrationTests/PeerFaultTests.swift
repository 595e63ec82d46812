import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// What a peer, a name, or the clock may do meanwhile (specs/faults.md).
@Suite("A peer, a name or a clock that goes wrong", .serialized)
struct PeerFaultTests {
    private static let rate = 200
    private static let slowPi = ["HYPI_PI": Fixture.executable("pi-demo") + " --thinking off --rate \(rate)"]

    private func event(_ process: TestProcess, _ word: String, id: String) async throws {
        try await process.output.wait("\(word) of \(id)", timeout: .seconds(90)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains(#""event":"\#(word)","id":"\#(id)""#)
        }
    }

    private func listed(_ id: String, _ fixture: Fixture) async throws -> Node {
        let wait = try await fixture.run(
            "hypi-ls", ["--wait", "ready", id, "--timeout", "90"], timeout: .seconds(100))
        #expect(wait.exit == .status(0), "\(wait.errors)")
        return try Node(json: JSON(parsing: try await fixture.run("hypi-ls", ["--json", id]).output))
    }

    // MARK: Suspended

    @Test("An agent that is suspended goes offline; awake again it is itself, and no word of its answer is lost")
    func suspendedAgent() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor(
            ["--port", "0", "--print-events", "--heartbeat", "1s", "--node-ttl", "5m"])
        let agent = try await fixture.startAgent(["--id", "sleeper"], environment: Self.slowPi)
        let node = try await listed("sleeper", fixture)
        let length = 5 * Self.rate
        let turn = try fixture.start("hypi-attach", ["-p", "/long \(length)", "sleeper", "--timeout", "300"])
        try await turn.output.wait("the beginning of the answer", timeout: .seconds(60)) { bytes, _ in bytes.count > 50
        }
        agent.process.signal(SIGSTOP)
        try await event(hypivisor, "node_offline", id: "sleeper")
        agent.process.signal(SIGCONT)
        let again = try await listed("sleeper", fixture)
        #expect(again.pid == node.pid)
        #expect(again.sessionID == node.sessionID)
        let (exit, text, errors) = try await turn.finish(timeout: .seconds(120))
        #expect(exit == .status(0), "\(errors)")
        let whole = try await fixture.run("hypi-attach", ["--last", "\(agent.url)"])
        #expect(text.count >= length)
        #expect(text == whole.output)
    }

    @Test("While hypivisor is suspended an agent serves who is connected to it; then it is listed as before")
    func suspendedRegistry() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--id", "alone"])
        let node = try await listed("alone", fixture)
        hypivisor.signal(SIGSTOP)
        defer { hypivisor.signal(SIGCONT) }
        let direct = try await fixture.run("hypi-attach", ["-p", "are you there?", "\(agent.url)"])
        #expect(direct.exit == .status(0), "\(direct.errors)")
        #expect(direct.output.contains("> are you there?"))
        // Who needs the registry is told after its own time.
        let list = try await fixture.run("hypi-ls", ["--timeout", "1"])
        #expect(list.exit == .status(124), "\(list.errors)")
        hypivisor.signal(SIGCONT)
        let again = try await listed("alone", fixture)
        #expect(again.pid == node.pid)
    }

    // MARK: The clock

    private static let faketime = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map { $0 + "/faketime/libfaketimeMT.so.1" }.first { FileManager.default.fileExists(atPath: $0) }

    @Test(
        "A wall clock that jumps a day forth and back takes nobody from the list, and keeps nobody who has gone",
        .enabled(if: faketime != nil, "faketime is not installed (apt-get install faketime)"),
        .enabled(if: !Effort.isSanitized, "the sanitizer wants to be loaded first"))
    func clock() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let file = fixture.home + "/time"
        func setClock(_ shift: String) throws { try shift.write(toFile: file, atomically: true, encoding: .utf8) }
        try setClock("+0")
        let clock = [
            "LD_PRELOAD": Self.faketime ?? "", "FAKETIME_TIMESTAMP_FILE": file, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        ]
        /// Behind a shell: where the library itself changes the environment, Swift no longer finds the arguments.
        func start(_ words: String) throws -> TestProcess {
            try TestProcess(
                "/bin/sh", ["-c", "exec \(Fixture.executables)/\(words)"],
                environment: fixture.environment.merging(clock) { $1 }, cwd: fixture.home)
        }
        let hypivisor = try start("hypivisor --port 0 --print-events --heartbeat 1s --node-ttl 1s")
        _ = try await hypivisor.line(0, timeout: .seconds(60))
        let agent = try start("pi-socket --port 0 --id steady")
        _ = try await agent.line(0, timeout: .seconds(60))
        _ = try await listed("steady", fixture)
        for shift in ["+1d", "-1d", "+0"] {
            try setClock(shift)
            // The run's own events tell that time has passed: two beats, and what an agent says in between.
            let begin = ContinuousClock.now
            repeat {
                let answer = try await fixture.run("hypi-attach", ["-p", "tick", "steady"], timeout: .seconds(60))
                #expect(answer.exit == .status(0), "\(shift): \(answer.errors)")
            } while begin.duration(to: .now) < .seconds(4)
            let node = try await listed("steady", fixture)
            #expect(node.status == .active, "\(shift)")
            // The jump is one: it shows in what the registry says of the time.
            let seen = try #require(node.lastSeen)
            let days = (Double(seen) - Date().timeIntervalSince1970) / 86_400
            #expect(abs(days - (shift == "+1d" ? 1 : shift == "-1d" ? -1 : 0)) < 0.1, "\(shift): \(days)")
        }
        #expect(!hypivisor.output.text.contains("node_offline") && !hypivisor.output.text.contains("node_removed"))
        try setClock("-1d")
        agent.signal(SIGKILL)
        try await event(hypivisor, "node_offline", id: "steady")
        try await event(hypivisor, "node_removed", id: "steady")
    }

    // MARK: Names

    @Test(
        "A resolver that never answers holds up neither --timeout nor the end of an agent",
        .enabled(if: OwnMounts.areAvailable, "needs root and 'unshare -m' that may mount"))
    func resolver() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // It takes questions and says nothing.
        let silent = try #require(SilentResolver())
        let files = [
            "resolv.conf": "nameserver \(silent.address)\noptions timeout:30 attempts:5\n",
            "nsswitch.conf": "hosts: dns\n",
        ]
        let secret = ["HYPI_TOKEN": "a-token-of-some-length"]
        for words in [
            "hypi-ls --insecure", "hypi-attach -p hello any --insecure",
            "hypi-attach --last ws://far.test:9/ws --insecure",
        ] {
            let tool = try OwnMounts.start(
                words + " --timeout 1", files, fixture,
                environment: secret.merging(["HYPIVISOR_WS": "ws://far.test:9/ws"]) { $1 })
            let (exit, _, errors) = try await tool.finish(timeout: .seconds(20))
            #expect(exit == .status(124), "\(words): \(errors)")
        }
        let agent = try OwnMounts.start(
            "pi-socket --port 0 --insecure", files, fixture,
            environment: secret.merging(["HYPIVISOR_WS": "ws://far.test:9/ws"]) { $1 })
        _ = try await agent.line(0, timeout: .seconds(20))
        try await silent.hear()
        agent.signal(SIGTERM)
        #expect(try await agent.waitForExit(timeout: .seconds(20)) == .status(0))
    }

    @Test(
        "A name with an IPv6 and an IPv4 address is reached by whichever works",
        .enabled(if: OwnMounts.areAvailable, "needs root and 'unshare -m' that may mount"),
        arguments: ["127.0.0.1", "::1"])
    func twoFamilies(_ host: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor(["--port", "0", "--host", host])
        let files = [
            "hosts": "::1 localhost both.test\n127.0.0.1 localhost both.test\n", "nsswitch.conf": "hosts: files\n",
        ]
        for name in ["localhost", "both.test"] {
            let list = try OwnMounts.start(
                "hypi-ls --insecure", files, fixture, environment: ["HYPIVISOR_WS": "ws://\(name):\(url.port)/ws"])
            let (exit, _, errors) = try await list.finish(timeout: .seconds(60))
            #expect(exit == .status(0), "\(name): \(errors)")
        }
        // Neither: one line with the reason.
        let nobody = try OwnMounts.start(
            "hypi-ls", files, fixture, environment: ["HYPIVISOR_WS": "ws://localhost:9/ws"])
        let (exit, _, errors) = try await nobody.finish(timeout: .seconds(60))
        #expect(exit == .status(69))
        #expect(errors.contains("connection refused") && errors.split(separator: "\n").count == 1, "\(errors)")
    }
}
