import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// Starting agents as a person sees it, with the built programs.
@Suite("Starting agents with hypivisor", .serialized)
struct HypivisorSpawnTests {
    private func script(_ fixture: Fixture, _ name: String, _ text: String) throws -> String {
        let path = fixture.home + "/" + name
        try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private func start(
        _ fixture: Fixture, _ arguments: [String] = [], pi: String? = nil
    ) async throws -> TestProcess {
        let environment = pi.map { ["HYPI_PI": $0] } ?? [:]
        let process = try fixture.start("hypivisor", ["--port", "0"] + arguments, environment: environment)
        _ = try await process.line(0, timeout: .seconds(60))
        return process
    }

    private func spawn(
        _ fixture: Fixture, _ arguments: [String]
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await fixture.run("hypi-spawn", arguments, timeout: .seconds(90))
    }

    /// The processes of a home that are more than the hypivisor of the test.
    private func others(_ fixture: Fixture, than hypivisor: TestProcess) -> [pid_t] {
        Fixture.processes(withHome: fixture.home).filter { $0 != hypivisor.pid }
    }

    /// Waits for the end of what ends by itself, and looks for more.
    private func nothingIsLeft(_ fixture: Fixture, but hypivisor: TestProcess) async throws {
        try await Fixture.end(of: others(fixture, than: hypivisor))
        #expect(others(fixture, than: hypivisor).isEmpty)
    }

    private func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path)
    }

    // MARK: What goes wrong

    @Test("A pi that is not there is one line with the reason, and nothing is left behind")
    func missingPi() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hypivisor = try await start(fixture, pi: "/nowhere/pi")
        let result = try await spawn(fixture, [try fixture.makeFolder("a")])
        #expect(result.exit == .status(1))
        #expect(result.output == "")
        #expect(result.errors.split(separator: "\n").count == 1)
        #expect(result.errors.contains("cannot start pi: /nowhere/pi"))
        #expect(result.errors.contains("HYPI_PI"))
        try await nothingIsLeft(fixture, but: hypivisor)
    }

    @Test("A pi that ends at once is told with its exit status and its last words")
    func exitingPi() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let pi = try script(fixture, "pi", "echo first >&2; echo 'no key for you' >&2; exit 3")
        let hypivisor = try await start(fixture, pi: pi)
        let result = try await spawn(fixture, [try fixture.makeFolder("a")])
        #expect(result.exit == .status(1))
        #expect(result.errors.contains("exit status 3"))
        #expect(result.errors.contains("no key for you"))
        try await nothingIsLeft(fixture, but: hypivisor)
    }

    @Test("A pi that never answers is given up after the limit, and ends with its bridge")
    func silentPi() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let pi = try script(fixture, "pi", "echo $$ > \(fixture.home)/pid; exec sleep 1000")
        let hypivisor = try await start(fixture, ["--spawn-timeout", "3s"], pi: pi)
        let result = try await spawn(fixture, [try fixture.makeFolder("a")])
        #expect(result.exit == .status(1))
        #expect(result.errors.contains("not ready within 3 s"))
        try await nothingIsLeft(fixture, but: hypivisor)
    }

    @Test("A hook's command is refused in one line that names the setting; a hook of the config runs by its name")
    func hooks() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let done = fixture.home + "/hooked"
        let hypivisor = try await start(fixture, ["--spawn-hook", "mark=echo $HYPI_EVENT >> '\(done)'"])
        let folder = try fixture.makeFolder("a")
        let refused = try await spawn(fixture, [folder, "--hook", "touch '\(done)'"])
        #expect(refused.exit == .status(77))
        #expect(refused.errors.split(separator: "\n").count == 1)
        #expect(refused.errors.contains("allow-hooks = yes"), "\(refused.errors)")
        #expect(others(fixture, than: hypivisor).isEmpty && !exists(done))
        let named = try await spawn(fixture, [folder, "--hook", "mark"])
        #expect(named.exit == .status(0), "\(named.errors)")
        try await within(.seconds(20), "the hook") { while !exists(done) { await Task.yield() } }
    }

    // MARK: Who lives

    @Test("An agent has no descriptor of hypivisor, no parent in it, and outlives it; hypivisor leaves no zombie")
    func independent() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hypivisor = try await start(fixture)
        let folders = [try fixture.makeFolder("a"), try fixture.makeFolder("b")]
        let result = try await spawn(fixture, folders)
        #expect(result.exit == .status(0), "\(result.errors)")
        let nodes = try result.output.split(separator: "\n").map { try Node(json: JSON(parsing: String($0))) }
        let pids = others(fixture, than: hypivisor)
        // Of each: pi-socket, pi, and its keeper.
        #expect(pids.count == 6)
        #if os(Linux)
            let sockets = try Self.descriptors(hypivisor.pid).filter {
                $0.hasPrefix("socket:") || $0.hasPrefix("pipe:")
            }
            #expect(!sockets.isEmpty)
            for pid in pids {
                let theirs = try Self.descriptors(pid)
                #expect(Set(theirs).isDisjoint(with: sockets), "\(pid): \(theirs)")
                #expect(getsid(pid) != getsid(hypivisor.pid))
            }
            if !Effort.isSanitized { #expect(try Self.children(hypivisor.pid).isEmpty) }
        #endif
        hypivisor.signal(SIGKILL)
        _ = try await hypivisor.waitForExit()
        for node in nodes { #expect(kill(pid_t(try #require(node.pid)), 0) == 0) }
        let answer = try await start(fixture)
        defer { answer.signal(SIGTERM) }
        _ = try await fixture.run(
            "hypi-ls", ["--wait", "ready", nodes[0].id, "--timeout", "60"], timeout: .seconds(90))
        let told = try await fixture.run("hypi-attach", ["-p", "hello", nodes[0].id], timeout: .seconds(60))
        #expect(told.exit == .status(0), "\(told.errors)")
    }

    #if os(Linux)
        private static func descriptors(_ pid: pid_t) throws -> [String] {
            let folder = "/proc/\(pid)/fd"
            return try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
                try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
            }
        }

        private static func children(_ pid: pid_t) throws -> [Substring] {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").flatMap { task in
                let list = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/children", encoding: .utf8)
                return (list ?? "").split(separator: " ")
            }
        }
    #endif

    @Test("Two that ask with one key at once get one agent, and so does who asks after a restart")
    func key() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hypivisor = try await start(fixture)
        let folder = try fixture.makeFolder("a")
        async let one = spawn(fixture, [folder, "--key", "nightly"])
        async let other = spawn(fixture, [folder, "--key", "nightly"])
        let results = try await [one, other]
        #expect(results.allSatisfy { $0.exit == .status(0) }, "\(results)")
        let nodes = try results.map { try JSON(parsing: $0.output) }
        #expect(Set(nodes.compactMap { $0["id"]?.string }).count == 1)
        #expect(nodes.count { $0["existing"]?.bool == true } == 1)
        hypivisor.signal(SIGKILL)
        _ = try await hypivisor.waitForExit()
        let next = try await start(fixture)
        let again = try JSON(parsing: try await spawn(fixture, [folder, "--key", "nightly"]).output)
        #expect(again["id"] == nodes[0]["id"])
        #expect(again["existing"]?.bool == true)
        #expect(others(fixture, than: next).count == 3)
    }

    @Test("--max-agents and --no-spawn refuse with a word and start nothing")
    func limits() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let limited = try await start(fixture, ["--max-agents", "1"])
        let folder = try fixture.makeFolder("a")
        #expect(try await spawn(fixture, [folder]).exit == .status(0))
        let second = try await spawn(fixture, [folder, "--new-folder", "b"])
        #expect(second.exit == .status(75))
        #expect(second.errors.contains("--max-agents"))
        #expect(!exists(folder + "/b"))
        #expect(others(fixture, than: limited).count == 3)
        limited.signal(SIGTERM)
        _ = try await limited.waitForExit()
        _ = try await start(fixture, ["--no-spawn"])
        let refused = try await spawn(fixture, [folder, "--new-folder", "c"])
        #expect(refused.exit == .status(77))
        #expect(refused.errors.contains("--no-spawn"))
        #expect(!exists(folder + "/c"))
    }

    @Test("resume goes on with the session of an agent that has ended, under the same file")
    func resume() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let hypivisor = try await start(fixture)
        let folder = try fixture.makeFolder("a")
        let first = try Node(json: JSON(parsing: try await spawn(fixture, [folder]).output))
        let told = try await fixture.run("hypi-attach", ["-p", "the first task", first.id], timeout: .seconds(60))
        #expect(told.exit == .status(0), "\(told.errors)")
        let listing = try await fixture.run("hypi-ls", ["--json", first.id])
        let file = try #require(try Node(json: JSON(parsing: listing.output)).sessionFile)
        let bridge = pid_t(try #require(first.pid))
        kill(bridge, SIGTERM)
        try await Fixture.end(of: [bridge])

        let second = try await spawn(fixture, [folder, "--resume", file])
        #expect(second.exit == .status(0), "\(second.errors)")
        let node = try Node(json: JSON(parsing: second.output))
        #expect(node.id != first.id)
        #expect(node.sessionFile == file)
        let url = try #require(WebSocketURL(try JSON(parsing: try await hypivisor.line(0))["url"]?.string ?? ""))
        let viewer = try await Viewer(url.with(path: "/ws/agent/" + node.id), token: try fixture.token())
        let snapshot = try await viewer.frame("the conversation") { $0["type"]?.string == "init_state" }
        #expect(snapshot["messages"]?.text.contains("the first task") == true)
        await viewer.close()
    }

    // MARK: Where

    @Test("Whatever leads out of the roots is refused, and nothing is created there")
    func roots() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let root = try fixture.makeFolder("root")
        let outside = try fixture.makeFolder("root2")
        try FileManager.default.createSymbolicLink(atPath: root + "/link", withDestinationPath: outside)
        let hypivisor = try await start(fixture, ["--root", root])
        let requests: [([String], Int32)] = [
            ([outside], 64), ([root + "/link"], 64), ([root + "/../root2"], 64),
            ([root, "--new-folder", "../root2/x"], 64), ([root, "--new-folder", "/x"], 64),
            ([root, "--new-folder", "a/../../root2/x"], 64), ([root, "--new-folder", "./x"], 64),
            ([root, "--new-folder", "link/x"], 1), ([root + "/nowhere"], 1),
        ]
        for (arguments, status) in requests {
            let result = try await spawn(fixture, arguments)
            #expect(result.exit == .status(status), "\(arguments): \(result.errors)")
            #expect(result.errors.split(separator: "\n").count == 1)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: root) == ["link"])
        #expect(others(fixture, than: hypivisor).isEmpty)
        let nested = try await spawn(fixture, [root, "--new-folder", "a/b/c"])
        #expect(nested.exit == .status(0), "\(nested.errors)")
        #expect(try JSON(parsing: nested.output)["cwd"]?.string == root + "/a/b/c")
    }

    @Test("A folder that keeps turning into a link meanwhile never leads out of the roots")
    func race() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let root = try fixture.makeFolder("root")
        let outside = try fixture.makeFolder("outside")
        let swap = """
            cd \(root); while :; do mkdir -p d; rm -rf d; ln -s \(outside) d; rm -f d; done
            """
        // No agent has to start: what counts is which folders are made.
        _ = try await start(fixture, ["--root", root, "--spawn-command", "/bin/false"])
        let swapper = try TestProcess("/bin/sh", ["-c", swap], environment: ["PATH": "/usr/bin:/bin"])
        for number in 0..<8 {
            _ = try await spawn(fixture, [root, "--new-folder", "d/x\(number)"])
            _ = try await spawn(fixture, [root + "/d", "--new-folder", "y\(number)"])
        }
        swapper.signal(SIGKILL)
        _ = try await swapper.waitForExit()
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
    }
}
