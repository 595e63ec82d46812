import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOPosix
import Testing

/// What a machine may refuse a program: descriptors, memory, disk, standard descriptors, a home (specs/faults.md).
///
/// `HYPI_TEST_CONNECTIONS` says how many connections are many.
@Suite("A machine that refuses something", .serialized)
struct FaultTests {
    /// Starts a program behind a line of shell that takes something away from it.
    private func start(
        _ line: String, _ fixture: Fixture, environment: [String: String] = [:]
    ) throws -> TestProcess {
        try TestProcess(
            "/bin/sh", ["-c", line], environment: fixture.environment.merging(environment) { $1 }, cwd: fixture.home)
    }

    private func readyPort(_ process: TestProcess) async throws -> Int {
        let ready = try JSON(parsing: try await process.line(0, timeout: .seconds(60)))
        return try #require(ready["url"]?.string.flatMap { WebSocketURL($0) }?.port)
    }

    private func stop(_ process: TestProcess) async throws {
        process.signal(SIGTERM)
        #expect(try await process.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    // MARK: Descriptors and memory

    @Test(
        "Out of descriptors a server says so once, and serves again when connections go",
        arguments: ["hypivisor --port 0", "pi-socket --port 0 --standalone"])
    func descriptors(_ line: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // hypivisor has a loop for each processor.
        let limit = 90 + 3 * ProcessInfo.processInfo.activeProcessorCount
        let server = try start("ulimit -n \(limit); exec \(Fixture.executables)/\(line)", fixture)
        let port = try await readyPort(server)
        let kept = try await Viewer(
            WebSocketURL(host: "127.0.0.1", port: port, path: "/ws"), token: try fixture.token())
        var peers: [RawPeer] = []
        // Silent connections are closed to make room; those that have shown the token stay.
        while let peer = try? RawPeer.upgraded(port: port, token: try fixture.token()) { peers.append(peer) }
        #expect(peers.count < limit)
        let words = "cannot accept connections why=\"too many open files\""
        try await server.errors.wait("the warning", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains(words)
        }
        // Who is connected is served as ever.
        let isRegistry = line.hasPrefix("hypivisor")
        kept.send(isRegistry ? #"{"id":1,"method":"ping"}"# : "hello")
        _ = try await kept.frame("the answer", timeout: .seconds(60)) {
            isRegistry ? $0["id"]?.int == 1 : $0["type"] == "agent_end"
        }
        peers = []
        // The server sees the ends of connections one by one, and tells nobody.
        let viewer = try await within(.seconds(60), "room for one more") {
            while true {
                if let viewer = try? await Viewer(
                    WebSocketURL(host: "127.0.0.1", port: port, path: "/ws"), token: try fixture.token())
                {
                    return viewer
                }
            }
        }
        try await viewer.wait("the first frame", timeout: .seconds(60)) { !$0.all.isEmpty }
        await viewer.close()
        await kept.close()
        try await stop(server)
        #expect(server.errors.text.components(separatedBy: words).count == 2)
    }

    #if os(Linux)
        @Test("hypivisor raises its limit of descriptors as far as it may")
        func raisedLimit() async throws {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let server = try start(
                "ulimit -n 900; ulimit -S -n 90; exec \(Fixture.executables)/hypivisor --port 0", fixture)
            _ = try await readyPort(server)
            let limits = try String(contentsOfFile: "/proc/\(server.pid)/limits", encoding: .utf8)
            let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
            #expect(line.split(separator: " ").dropFirst(3).prefix(2) == ["900", "900"], "\(line)")
            try await stop(server)
        }
    #endif

    @Test("A flood of connections leaves an agent descriptors for itself: a pi that crashes meanwhile is started again")
    func flood() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try start("ulimit -n 100; exec \(Fixture.executables)/pi-socket --port 0 --standalone", fixture)
        let port = try await readyPort(agent)
        let viewer = try await Viewer(
            WebSocketURL(host: "127.0.0.1", port: port, path: "/ws"), token: try fixture.token())
        var peers: [RawPeer] = []
        while let peer = try? RawPeer.upgraded(port: port, token: try fixture.token()) { peers.append(peer) }
        try await agent.errors.wait("the warning", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("cannot accept connections")
        }
        viewer.send("/crash")
        let end = try await viewer.frame("the end of pi", timeout: .seconds(60)) { $0["type"] == "agent_exit" }
        #expect(end["restarting"] == true)
        let seen = viewer.frames.all.count
        _ = try await viewer.frame("the next pi", from: seen, timeout: .seconds(60)) { $0["type"] == "init_state" }
        viewer.send("hello")
        _ = try await viewer.frame("the answer", from: seen, timeout: .seconds(60)) { $0["type"] == "agent_end" }
        try await stop(agent)
        withExtendedLifetime(peers) {}
    }

    @Test("A tool that has too few descriptors says so and does nothing; with ever so few more it works")
    func fewDescriptorsOfTools() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--id", "one"])
        let listed = try await fixture.run("hypi-ls", ["--wait", "idle", "one", "--timeout", "20"])
        #expect(listed.exit == .status(0), "\(listed.errors)")
        let lines = [
            "hypi-ls", "hypi-dirs ~", "hypi-spawn ~ --if-absent", "hypi-attach -p hi one",
            "hypi-attach --last \(agent.url)",
            "pi-demo",
        ]
        for line in lines {
            var exits: [TestProcess.Exit] = []
            for limit in 8...24 {
                let tool = try start("ulimit -n \(limit); exec \(Fixture.executables)/\(line)", fixture)
                let (exit, output, errors) = try await tool.finish(timeout: .seconds(60))
                exits.append(exit)
                guard exit != .status(0) else { continue }
                #expect(exit == .status(71) && output == "", "\(line) with \(limit): \(errors)")
                #expect(errors.contains(": too few file descriptors: ") && errors.hasSuffix("see 'ulimit -n')\n"))
                #expect(errors.split(separator: "\n").count == 1)
            }
            #expect(exits.first == .status(71) && exits.last == .status(0), "\(line): \(exits)")
        }
    }

    @Test(
        "Under a limit of memory hypivisor bounds what it holds for dashboards that do not read, and serves on",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/prlimit"), "needs prlimit"),
        .enabled(if: !Effort.isSanitized, "a sanitizer takes memory of its own"))
    func memory() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hypivisor = try start(
            "exec prlimit --data=\(256 << 20) \(Fixture.executable("hypivisor")) --port 0 --heartbeat 1h", fixture)
        let port = try await readyPort(hypivisor)
        let (url, token) = (WebSocketURL(host: "127.0.0.1", port: port, path: "/ws"), try fixture.token())
        let reader = try await Viewer(url, token: token)
        // Whatever it sends at once waits here; how fast it is read is not what is tested.
        let agent = try await MessageStream.connect(
            to: url.with(path: "/ws", query: "role=agent"),
            options: .init(token: token, socket: .init(outboxLimit: nil)), on: MultiThreadedEventLoopGroup.singleton)
        agent.send([
            "id": 1, "method": "register",
            "params": ["id": "big", "machine": "desk", "cwd": "/x", "port": 1, "instance": "i"],
        ])
        // Without a bound they would hold 40 times 32 MB.
        let stuck = try (0..<40).map { _ in try RawPeer.upgraded(port: port, token: token) }
        let text = String(repeating: "x", count: 200_000)
        for number in 0..<160 {
            agent.send(["method": "update", "params": ["id": "big", "name": .string("\(number) \(text)")]])
        }
        _ = try await reader.frame("the last update", timeout: .seconds(120)) {
            $0["node"]?["name"]?.string?.hasPrefix("159 ") == true
        }
        withExtendedLifetime(stuck) {}
        print("hypivisor held \(ResidentMemory.peak(of: hypivisor.pid) >> 20) MB at most")
        try await stop(hypivisor)
        await agent.closeAndWait()
    }

    @Test("Ten thousand connections are served, one more is too, and when they have gone so has their memory")
    func connections() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let count = min(Effort.number("HYPI_TEST_CONNECTIONS", default: 10_000), Int(limit.rlim_max) - 1000)
        let (hypivisor, url) = try await fixture.startHypivisor(["--port", "0", "--heartbeat", "1h"])
        let token = try fixture.token()
        let before = (memory: ResidentMemory.bytes(of: hypivisor.pid), files: try Self.files(hypivisor.pid))
        let open = { @Sendable in
            try (0..<count).map { _ in try RawPeer.upgraded(port: url.port, path: "/ws?role=agent", token: token) }
        }
        var peers = try await Task.detached(operation: open).value
        #expect(peers.count == count)
        let held = ResidentMemory.bytes(of: hypivisor.pid) - before.memory
        print("\(count) connections hold \(held >> 20) MB, \(held / count) bytes each")
        let viewer = try await Viewer(url, token: token)
        viewer.send(["id": 1, "method": "ping"])
        let pong = try await viewer.frame("the answer", timeout: .seconds(60)) { $0["id"]?.int == 1 }
        #expect(pong["result"]?["status"]?.string == "healthy")
        await viewer.close()
        peers = []
        // Nobody tells when the last of another process's descriptors is closed.
        try await within(.seconds(120), "the end of the connections") {
            while try Self.files(hypivisor.pid) > before.files { try await Task.sleep(for: .milliseconds(20)) }
        }
        let left = ResidentMemory.bytes(of: hypivisor.pid) - before.memory
        peers = try await Task.detached(operation: open).value
        let again = ResidentMemory.bytes(of: hypivisor.pid) - before.memory
        print("\(left >> 20) MB when they have gone, \(again >> 20) MB when as many are there again")
        if !Effort.isSanitized {
            #expect(held / count < 64 << 10)
            // What the allocator keeps is used again by those who come next.
            #expect(again < held + held / 4, "\(held) bytes, then \(again)")
        }
        try await stop(hypivisor)
        withExtendedLifetime(peers) {}
    }

    @Test("Beyond --max-connections the answer is 503, and who is connected stays")
    func full() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (_, url) = try await fixture.startHypivisor(["--port", "0", "--max-connections", "2"])
        let viewers = [
            try await Viewer(url, token: try fixture.token()), try await Viewer(url, token: try fixture.token()),
        ]
        let refused = try await fixture.run("hypi-ls", ["--hypivisor", "\(url)"])
        #expect(refused.errors.contains("503"), "\(refused.errors)")
        #expect(try RawPeer.get("/healthz", port: url.port).hasPrefix("HTTP/1.1 200"))
        for viewer in viewers {
            viewer.send(["id": 1, "method": "ping"])
            _ = try await viewer.frame("the answer", timeout: .seconds(60)) { $0["id"]?.int == 1 }
        }
    }

    /// How many descriptors a process has open.
    private static func files(_ pid: pid_t) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }

    @Test("Without --port an agent takes the next free port; a port that was named and is taken is status 73")
    func ports() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        var ports: [Int] = []
        var agents: [TestProcess] = []
        for id in ["one", "two"] {
            agents.append(try fixture.start("pi-socket", ["--standalone", "--id", id]))
            ports.append(try await readyPort(agents[agents.count - 1]))
        }
        #expect(ports[1] > ports[0])
        let third = try await fixture.run("pi-socket", ["--standalone", "--port", "\(ports[0])"])
        #expect(third.exit == .status(73), "\(third.errors)")
        #expect(third.errors.contains("address already in use"), "\(third.errors)")
        for agent in agents { try await stop(agent) }
    }

    // MARK: Disk and standard descriptors

    @Test(
        "A full disk for the log, and no place for it at all, leave hypivisor and an agent as they are",
        arguments: [
            "hypivisor --port 0 2>/dev/full", "hypivisor --port 0 2>&-", "pi-socket --port 0 --standalone 2>/dev/full",
            "pi-socket --port 0 --standalone 2>&-", "pi-socket --port 0 --standalone --log-file /dev/full",
        ])
    func log(_ line: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let process = try start(
            "exec \(Fixture.executables)/\(line.replacing("--port 0", with: "--port 0 --log-level trace")) <&-", fixture
        )
        let url = WebSocketURL(host: "127.0.0.1", port: try await readyPort(process), path: "/ws")
        let viewer = try await Viewer(url, token: try fixture.token())
        if line.hasPrefix("pi-socket") {
            viewer.send("hello")
            _ = try await viewer.frame("the answer", timeout: .seconds(60)) { $0["type"] == "agent_end" }
        } else {
            viewer.send(["id": 1, "method": "ping"])
            _ = try await viewer.frame("the answer", timeout: .seconds(60)) { $0["id"]?.int == 1 }
        }
        // What is logged goes nowhere else: every frame is one of the protocol.
        #expect(viewer.frames.json().allSatisfy { $0.object != nil })
        await viewer.close()
        try await stop(process)
    }

    @Test("A log beyond its size is put aside once, for its owner alone, also of an agent in the background")
    func rotation() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let folder = try fixture.makeFolder(".local/state/hyper-pi/log")
        let log = folder + "/one.log"
        #expect(FileManager.default.createFile(atPath: log, contents: nil, attributes: [.posixPermissions: 0o600]))
        // A sparse file: a long log without its bytes.
        #expect(truncate(log, off_t(Limits.logBytes)) == 0)
        let tail = try TestProcess("/usr/bin/tail", ["-c", "1", "-F", log], environment: fixture.environment)
        let result = try await fixture.run(
            "pi-socket", ["--port", "0", "--detach", "--id", "one"],
            environment: ["HYPIVISOR_WS": "ws://127.0.0.1:9/ws"])
        #expect(result.exit == .status(0), "\(result.errors)")
        try await tail.output.wait("the complaint", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("not registered: cannot reach ws://127.0.0.1:9/ws")
        }
        let pid = try #require(try JSON(parsing: result.output)["pid"]?.int)
        kill(pid_t(pid), SIGTERM)
        try await Fixture.end(of: [pid_t(pid)])
        for (name, range) in [(log, 1...100_000), (log + ".1", Limits.logBytes...Limits.logBytes)] {
            let attributes = try FileManager.default.attributesOfItem(atPath: name)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(range.contains(try #require(attributes[.size] as? Int)), "\(name)")
        }
        #expect(try String(contentsOfFile: log, encoding: .utf8).contains("pi-socket: "))
    }

    @Test(
        "A full disk for the lines typed in a chat leaves the chat as it is",
        .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"),
        .enabled(if: OwnMounts.areAvailable, "needs root and 'unshare -m' that may mount"))
    func history() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            let folder = try fixture.makeFolder(".local/state/hyper-pi")
            let script = fixture.home + "/chat"
            try """
            mount -t tmpfs -o size=4k,mode=700 none \(folder)
            head -c 4096 /dev/zero >\(folder)/full && ! echo x >\(folder)/more && exec hypi-attach \(url)
            """.write(toFile: script, atomically: true, encoding: .utf8)
            try await screen.enter("clear; unshare -m sh \(script) 2>/dev/null")
            try await screen.wait("the conversation") { $0.last == ">" }
            try await screen.ask("first")
            try await screen.ask("second")
            // What was typed in this chat is still there.
            try await screen.press("Up")
            try await screen.waitForRow { $0 == "> second" }
        }
    }

    // MARK: Home

    @Test("A home that cannot be written is one line that names the file, and none is needed where options say all")
    func unwritableHome() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // Nobody can make a file there, not even root.
        let home = ["HOME": "/proc"]
        for tool in ["hypivisor", "pi-socket"] {
            let refused = try await fixture.run(tool, ["--port", "0"], environment: home)
            #expect(refused.exit == .status(78), "\(refused.errors)")
            #expect(refused.output == "")
            #expect(refused.errors.split(separator: "\n").count == 1)
            #expect(refused.errors.contains("cannot create token file /proc/.config"), "\(refused.errors)")
        }
        let variables = home.merging(["HYPI_TOKEN": "a-token-of-some-length"]) { $1 }
        let hypivisor = try fixture.start("hypivisor", ["--port", "0"], environment: variables)
        let port = try await readyPort(hypivisor)
        try await hypivisor.errors.wait("the warning", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("cannot announce the URL")
        }
        let list = try await fixture.run(
            "hypi-ls", [], environment: variables.merging(["HYPIVISOR_WS": "ws://127.0.0.1:\(port)/ws"]) { $1 })
        #expect(list.exit == .status(0), "\(list.errors)")
        try await stop(hypivisor)
    }

    @Test(
        "Without HOME the user database is asked; one that knows none is status 78 with what to do",
        .enabled(if: getuid() == 0, "only root may run a program as somebody whom nobody knows"),
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"), "needs setpriv"))
    func noHome() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        for tool in ["hypivisor --port 0", "pi-socket --port 0", "hypi-ls"] {
            let stranger = try start(
                "unset HOME; exec setpriv --reuid=54321 --regid=54321 --clear-groups -- \(Fixture.executables)/\(tool)",
                fixture)
            let (exit, output, errors) = try await stranger.finish(timeout: .seconds(60))
            #expect(exit == .status(78), "\(tool): \(errors)")
            #expect(output == "")
            #expect(errors.contains("HOME is not set and the user database has no home folder (set HOME)"))
        }
        // Somebody it knows, whose home is not there.
        guard let nobody = getpwnam("nobody"), let folder = nobody.pointee.pw_dir.map({ String(cString: $0) }),
            !FileManager.default.fileExists(atPath: folder)
        else { return print("skipped: nobody has a home here") }
        let known = try start(
            "unset HOME; exec setpriv --reuid=nobody --regid=\(nobody.pointee.pw_gid) --clear-groups -- "
                + "\(Fixture.executables)/hypivisor --port 0", fixture)
        let (exit, _, errors) = try await known.finish(timeout: .seconds(60))
        #expect(exit == .status(78) && errors.contains("cannot create token file \(folder)"), "\(errors)")
    }
}
