import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOPosix
import Testing

/// hypivisor as an operator meets it: how it starts, what it says, how it ends.
@Suite("Operating hypivisor", .serialized)
struct HypivisorOperationTests {
    private func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }

    private func announcement(_ fixture: Fixture) -> Bool {
        FileManager.default.fileExists(atPath: fixture.home + "/.local/state/hyper-pi/hypivisor.url")
    }

    private func agent(_ fixture: Fixture, _ url: WebSocketURL) async throws -> MessageStream {
        // Whatever it sends at once waits here; how fast it is read is not what is tested.
        try await MessageStream.connect(
            to: url.with(path: "/ws", query: "role=agent"),
            options: .init(token: try fixture.token(), socket: .init(outboxLimit: nil)),
            on: MultiThreadedEventLoopGroup.singleton)
    }

    private static func registration(_ id: String) -> JSON {
        [
            "id": 1, "method": "register",
            "params": ["id": .string(id), "machine": "desk", "cwd": "/x", "port": 1, "instance": "i"],
        ]
    }

    // MARK: Starting

    @Test("A port that is taken is one line that says who has it, and status 73")
    func portTaken() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (first, url) = try await fixture.startHypivisor()
        let second = try await fixture.run("hypivisor", ["--port", "\(url.port)"])
        #expect(second.exit == .status(73))
        #expect(second.output == "")
        #expect(lines(second.errors).count == 1)
        #expect(second.errors.contains("address already in use"))
        #if os(Linux)
            #expect(second.errors.contains("by hypivisor (pid \(first.pid))"))
        #endif
        #expect(announcement(fixture), "the first one's announcement is gone")
    }

    @Test(
        "An address that others reach is not served without a token: one line, and nothing listens",
        arguments: ["hypivisor", "pi-socket"])
    func openWithoutToken(_ tool: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        for host in ["0.0.0.0", "::"] {
            let refused = try await fixture.run(tool, ["--port", "0", "--no-auth", "--host", host])
            #expect(refused.exit == .status(78), "\(refused.errors)")
            #expect(refused.output == "" && lines(refused.errors).count == 1, "\(refused.errors)")
        }
    }

    @Test("A ready line that cannot be written ends it with status 74 and without an announcement")
    func unwritable() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let program = Fixture.executable("hypivisor")
        for (redirection, reason) in [(">/dev/full", "no space left on device"), (">&-", "bad file descriptor")] {
            let shell = try TestProcess(
                "/bin/sh", ["-c", "exec \(program) --port 0 \(redirection)"], environment: fixture.environment)
            let (exit, _, errors) = try await shell.finish(timeout: .seconds(60))
            #expect(exit == .status(74))
            #expect(errors.contains("cannot write to standard output: \(reason)"), "\(errors)")
            #expect(!announcement(fixture))
        }
    }

    @Test("A closed standard error does not let log lines into a connection")
    func closedErrors() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let program = Fixture.executable("hypivisor")
        let shell = try TestProcess(
            "/bin/sh", ["-c", "exec \(program) --port 0 --log-level trace 2>&- <&-"],
            environment: fixture.environment)
        let ready = try JSON(parsing: try await shell.line(0, timeout: .seconds(60)))
        let port = try #require(ready["port"]?.int)
        for descriptor in [0, 2] {
            let target = try FileManager.default.destinationOfSymbolicLink(
                atPath: "/proc/\(shell.pid)/fd/\(descriptor)")
            #expect(target == "/dev/null")
        }
        #expect(try RawPeer.get("/healthz", port: port).hasPrefix("HTTP/1.1 200"))
        shell.signal(SIGTERM)
        #expect(try await shell.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test(
        "A standard error that nobody reads holds up no answer and no end", arguments: ["hypivisor", "pi-socket"])
    func stalledErrors(_ tool: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // Full before the program starts: the first line that it logs would wait for ever.
        let script = """
            mkfifo "$HOME/errors" && exec 2<>"$HOME/errors" || exit 99
            dd if=/dev/zero of="$HOME/errors" bs=4096 oflag=nonblock 2>/dev/null
            exec \(Fixture.executable(tool)) --port 0 --log-level trace
            """
        let shell = try TestProcess("/bin/sh", ["-c", script], environment: fixture.environment)
        let ready = try JSON(parsing: try await shell.line(0, timeout: .seconds(60)))
        let port = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) }?.port)
        for _ in 1...3 { #expect(try RawPeer.get("/healthz", port: port).hasPrefix("HTTP/1.1 200")) }
        shell.signal(SIGTERM)
        #expect(try await shell.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test("The service manager is told when it is ready and when it stops")
    func notify() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let path = fixture.home + "/notify"
        let receiver = try #require(NotifySocket(path))
        let process = try fixture.start("hypivisor", ["--port", "0"], environment: ["NOTIFY_SOCKET": path])
        _ = try await process.line(0, timeout: .seconds(60))
        #expect(receiver.next() == "READY=1")
        process.signal(SIGTERM)
        #expect(receiver.next() == "STOPPING=1")
        #expect(try await process.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test("The printed unit passes systemd-analyze, keeps agents alive, and holds the options")
    func unit() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let result = try await fixture.run("hypivisor", ["--systemd-unit", "--port", "4242", "--root", "/tmp/a b"])
        #expect(result.exit == .status(0))
        #expect(result.output.contains("KillMode=process\n"))
        #expect(result.output.contains("Restart=always\n"))
        #expect(result.output.contains("--port 4242 --root \"/tmp/a b\"\n"))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze") else {
            print("skipped: systemd-analyze is not here (apt install systemd)")
            return
        }
        let file = fixture.home + "/hypivisor.service"
        try result.output.write(toFile: file, atomically: true, encoding: .utf8)
        let check = try TestProcess(
            "/usr/bin/systemd-analyze", ["verify", "--user", file],
            environment: fixture.environment.merging(["XDG_RUNTIME_DIR": fixture.home]) { $1 })
        let verdict = try await check.finish(timeout: .seconds(60))
        #expect(verdict == (.status(0), "", ""))
    }

    // MARK: Talking

    @Test("/healthz answers 200 with nothing secret; every other path is 404")
    func http() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor()
        let health = try RawPeer.get("/healthz", port: url.port)
        #expect(health.hasPrefix("HTTP/1.1 200"))
        #expect(health.hasSuffix("\r\n\r\nok\n"))
        for path in ["/", "/index.html", "/health", "/healthz/x", "/ws2", "/ws/tunnel/", "/metrics"] {
            #expect(try RawPeer.get(path, port: url.port).hasPrefix("HTTP/1.1 404"), "\(path)")
        }
    }

    @Test("--print-events prints the roster's events, one JSON object a line, behind the ready line")
    func events() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (process, url) = try await fixture.startHypivisor(["--port", "0", "--print-events", "--node-ttl", "1s"])
        let agent = try await agent(fixture, url)
        agent.send(Self.registration("one"))
        agent.send(["id": 2, "method": "update", "params": ["id": "one", "activity": "working"]])
        var events: [String] = []
        for number in 1...2 { events.append(try await process.line(number, timeout: .seconds(60))) }
        await agent.closeAndWait()
        for number in 3...4 { events.append(try await process.line(number, timeout: .seconds(60))) }
        let json = try events.map { try JSON(parsing: $0) }
        #expect(
            json.map { $0["event"]?.string } == ["node_joined", "node_updated", "node_offline", "node_removed"])
        #expect(json.allSatisfy { $0["cursor"]?.string != nil })
    }

    @Test("JSON log lines are whole objects without a token; trouble from outside is never marked as a defect")
    func log() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (process, url) = try await fixture.startHypivisor(
            ["--port", "0", "--log-format", "json", "--log-level", "trace", "--spawn-command", "/bin/false"])
        let (secret, guess) = (try fixture.token().secret, "guess-of-some-length")
        for path in ["/nothing", "/ws", "/healthz", "/ws/agent/nobody"] {
            for query in ["", "?token=\(secret)", "?token=\(guess)"] {
                _ = try RawPeer.get(path + query, port: url.port)
                // And as browsers come, with the token in the URL.
                let peer = try? await Viewer(url.with(path: path, query: String(query.dropFirst())), token: nil)
                await peer?.close()
            }
        }
        let broken = try RawPeer(port: url.port)
        broken.send("\u{0}\u{1}not http\r\n\r\n")
        _ = broken.readToEnd()
        let client = try await Viewer(url, token: try fixture.token())
        client.send("no json")
        client.send(["id": 1, "method": "spawn_agent", "params": ["path": .string(fixture.home)]])
        _ = try await client.frame("the refusal", timeout: .seconds(60)) { $0["code"]?.string == "spawn_failed" }
        process.signal(SIGTERM)
        let (exit, _, errors) = try await process.finish(timeout: .seconds(60))
        #expect(exit == .status(0))
        let records = try lines(errors).map { line in try #require(try? JSON(parsing: String(line)), "\(line)") }
        #expect(records.count >= 3)
        for record in records {
            for key in ["ts", "level", "component", "msg"] { #expect(record[key]?.string != nil, "\(record.text)") }
            #expect(record["level"]?.string != "error", "\(record.text)")
            #expect(record["needsHardening"] == nil)
        }
        #expect(!errors.contains(secret) && !errors.contains(guess))
    }

    @Test("A dashboard that does not read is closed with 1013, and the others are served on")
    func slowDashboard() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor()
        let reader = try await Viewer(url, token: try fixture.token())
        let stuck = try RawPeer.upgraded(port: url.port, token: try fixture.token())
        let agent = try await agent(fixture, url)
        agent.send(Self.registration("big"))
        let text = String(repeating: "x", count: 200_000)
        for number in 0..<150 {
            agent.send(["method": "update", "params": ["id": "big", "name": .string("\(number) \(text)")]])
        }
        _ = try await reader.frame("the last update", timeout: .seconds(60)) {
            $0["node"]?["name"]?.string?.hasPrefix("149 ") == true
        }
        let end = await Task.detached { stuck.read(until: Array("reads too slowly".utf8)) }.value
        // FIN, opcode 8, the length, and the code in two bytes before the reason.
        #expect(end.count > 4)
        let code = end.dropLast("reads too slowly".utf8.count).suffix(2)
        #expect(Array(code) == [UInt8(1013 >> 8), UInt8(1013 & 0xFF)])
        agent.close()
    }

    // MARK: Ending

    @Test(
        "SIGTERM and SIGINT tell viewers 1001 and end it with status 0, even with a client that is stuck",
        arguments: [SIGTERM, SIGINT])
    func stops(_ signal: Int32) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (process, url) = try await fixture.startHypivisor()
        let token = try fixture.token()
        let mirror = try await RosterMirror(url, token: token)
        let stuck = try RawPeer.upgraded(port: url.port, token: token)
        let halfOpen = try RawPeer(port: url.port)
        halfOpen.send("GET /ws HTTP/1.1\r\n")
        let begin = ContinuousClock.now
        process.signal(signal)
        #expect(try await mirror.end()?.code == .goingAway)
        #expect(try await process.waitForExit(timeout: .seconds(60)) == .status(0))
        print("hypivisor ended \(begin.duration(to: .now)) after signal \(signal), with a client that is stuck")
        #expect(!announcement(fixture))
        withExtendedLifetime((stuck, halfOpen)) {}
    }
}
