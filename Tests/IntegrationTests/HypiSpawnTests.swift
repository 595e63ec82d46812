import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@Suite("hypi-spawn")
struct HypiSpawnTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    private static func node(_ id: String, _ cwd: String, _ activity: Node.Activity = .idle) -> Node {
        var node = Node(id: id, machine: "desk", cwd: cwd, port: 4000)
        node.activity = activity
        node.version = "0.1.0"
        return node
    }

    /// A registry whose agents register a moment after the answer, first as `starting`.
    private func registry(_ nodes: [Node] = []) async throws -> FakeRegistry {
        try await FakeRegistry.start(nodes) { request, registry in
            guard let path = request.params["path"]?.string else { return .success(true) }
            guard !path.hasSuffix("bad") else {
                return .failure(RegistryFault(.spawnFailed, "the agent did not start: no pi"))
            }
            let id = "n" + String(path.split(separator: "/").last ?? "")
            registry.publish(.nodeJoined(Self.node(id, path, .starting)))
            defer { registry.publish(.nodeUpdated(Self.node(id, path))) }
            return .success(["status": "spawning", "path": .string(path), "spawn_id": "s", "id": .string(id)])
        }
    }

    private func run(
        _ registry: FakeRegistry, _ arguments: [String], cwd: String? = nil, input: String? = nil
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await fixture.run("hypi-spawn", ["--hypivisor", registry.url] + arguments, cwd: cwd, input: input)
    }

    private func ids(_ output: String) throws -> Set<String> {
        Set(try output.split(separator: "\n").compactMap { try JSON(parsing: String($0))["id"]?.string })
    }

    @Test("it prints the valid record of each agent once it is usable; relative folders are meant from here")
    func records() async throws {
        let registry = try await registry()
        let result = try await run(registry, ["a", "/x/b/../c", "--name", "N"], cwd: fixture.home)
        #expect(result.exit == .status(0))
        #expect(try ids(result.output) == ["na", "nc"])
        #expect(!result.output.contains("starting"))
        #expect(try RecordSchema("node").faults(inLines: result.output) == [])
        #expect(
            Set(registry.requests.map { JSON.object($0.params).text }) == [
                "{\"path\":\"\(fixture.home)/a\",\"name\":\"N\"}", #"{"path":"/x/c","name":"N"}"#,
            ])
    }

    @Test("without a folder it means this one; options and what follows -- are passed on")
    func parameters() async throws {
        let registry = try await registry()
        try "".write(toFile: fixture.home + "/s.jsonl", atomically: true, encoding: .utf8)
        _ = try await run(
            registry, ["--key", "k", "--new-folder", "n", "--resume", "s.jsonl", "--", "--model", "x", "--help"],
            cwd: fixture.home)
        _ = try await run(registry, ["--resume", "abc", "/y", "--", "-v"])
        #expect(
            registry.requests.map { JSON.object($0.params).text } == [
                "{\"path\":\"\(fixture.home)\",\"new_folder\":\"n\",\"key\":\"k\",\"resume\":\"\(fixture.home)/s.jsonl\","
                    + #""args":["--model","x","--help"]}"#,
                #"{"path":"/y","args":["--session","abc","-v"]}"#,
            ])
    }

    @Test("one that fails is one line and status 1, and the others start")
    func failures() async throws {
        let result = try await run(try await registry(), ["/a", "/bad", "/b", "--jobs", "1"])
        #expect(result.exit == .status(1))
        #expect(try ids(result.output) == ["na", "nb"])
        #expect(result.errors == "hypi-spawn: /bad: the agent did not start: no pi\n")
    }

    @Test("- reads objects with path or cwd, plain lines, and with -0 paths separated by NUL")
    func input() async throws {
        let lines = try await run(
            try await registry(), ["-", "/z"],
            input: #"{"path":"/a","cwd":"/no"}"# + "\n" + #"{"cwd":"/b c"}"# + "\n/d e\r\n\n" + #"{"x":1}"# + "\n/last")
        #expect(try ids(lines.output) == ["na", "nb c", "nd e", "nlast", "nz"])
        #expect(lines.exit == .status(1))
        #expect(
            lines.errors == "hypi-spawn: standard input: a record has neither 'path' nor 'cwd': {\"x\":1}\n")
        let nul = try await run(try await registry(), ["-", "-0"], input: "/a\nb\0/{c\0")
        #expect(try ids(nul.output) == ["na\nb", "n{c"])
        #expect(nul.exit == .status(0))
        #expect(try await run(try await registry(), ["-"], input: "").exit == .status(0))
    }

    @Test("folders are taken as they come: the first agent is there before the input has ended")
    func streaming() async throws {
        let registry = try await registry()
        let process = try fixture.start("hypi-spawn", ["--hypivisor", registry.url, "-"], input: .pipe)
        process.send("/a\n")
        #expect(try JSON(parsing: try await process.line(0))["id"] == "na")
        process.send("/b\n")
        process.closeInput()
        let result = try await process.finish()
        #expect(result.errors == "")
        #expect(result.exit == .status(0))
    }

    @Test("--if-absent prints the agent that works in the folder and starts nothing")
    func ifAbsent() async throws {
        let registry = try await registry([Self.node("old", "/a")])
        let result = try await run(registry, ["/a", "/b", "--if-absent"])
        #expect(try ids(result.output) == ["old", "nb"])
        #expect(result.output.contains(#""existing":true"#))
        // A key of its own keeps two that ask at once from starting two.
        #expect(
            registry.requests.map { JSON.object($0.params).text } == [#"{"path":"/b","key":"folder:/b"}"#])
    }

    @Test("--prompt gives the task once the agent is usable and waits until pi has taken it")
    func prompt() async throws {
        let registry = try await registry()
        let task = #"{"type":"abort"}"#
        let result = try await run(registry, ["/a", "--prompt", task])
        #expect(result.errors == "")
        #expect(result.exit == .status(0))
        let command = try JSON(parsing: try #require(registry.agentFrames.last).frame)
        #expect(registry.agentFrames.map(\.agent) == ["na", "na"])
        #expect(command["type"] == "command")
        #expect(command["payload"]?["type"] == "prompt")
        #expect(command["payload"]?["message"] == .string(task))
        registry.refusePrompts("no model")
        let refused = try await run(registry, ["/b", "--prompt", "x"])
        #expect(refused.exit == .status(1))
        #expect(refused.errors == "hypi-spawn: /b: pi refuses the prompt: no model\n")
    }

    @Test("an agent that is not usable in time is 124 and said so; --no-wait does not wait for it")
    func unusable() async throws {
        let registry = try await FakeRegistry.start { request, registry in
            registry.publish(.nodeJoined(Self.node("n", "/a", .starting)))
            return .success(["status": "spawning", "path": "/a", "id": "n"])
        }
        let late = try await run(registry, ["/a", "--timeout", "300ms"])
        #expect(late.exit == .status(124))
        #expect(late.errors == "hypi-spawn: /a: not usable after 300 ms (see --timeout)\n")
        let early = try await run(registry, ["/a", "--no-wait"])
        #expect(early.exit == .status(0))
        #expect(try ids(early.output) == ["n"])
    }

    @Test("guards are passed on, and a hypivisor that ignores them is not taken for one that obeys")
    func guards() async throws {
        let arguments = ["/a", "--max-cost", "1.5", "--max-turn", "90s", "--hook", "notify --all"]
        let old = try await run(try await registry(), arguments)
        #expect(old.exit == .status(1))
        #expect(
            old.errors == "hypi-spawn: /a: the agent runs without --max-cost: this hypivisor ignores it "
                + "(end it with 'hypi-attach --stop na')\n")
        let registry = try await FakeRegistry.start([Self.node("n", "/a")]) { request, _ in
            let names = request.params["guards"]?.object?.members.map(\.key) ?? []
            return .success(["path": "/a", "id": "n", "guards": .array(names.map(JSON.string))])
        }
        #expect(try await run(registry, arguments).exit == .status(0))
        #expect(
            registry.requests.first?.params["guards"]
                == ["max_cost": "1.5", "max_turn": "90s", "hook": "notify --all"])
    }

    @Test("of a version 1 registry the agent is known by its folder and gets its task as plain text")
    func version1() async throws {
        let registry = try await FakeRegistry.start([Self.node("old", "/a")]) { _, registry in
            var node = Self.node("new", "/a")
            (node.version, node.activity) = (nil, nil)
            registry.publish(.nodeJoined(node))
            return .success(["status": "spawning", "path": "/a"])
        }
        let result = try await run(registry, ["/a", "--prompt", "go"])
        #expect(try ids(result.output) == ["new"])
        #expect(registry.agentFrames.map(\.frame) == ["go"])
    }

    @Test(
        "what cannot be meant is 64 before anything is asked",
        arguments: [
            (["a", "b", "--key", "k"], "--key names one agent: give one folder"),
            (["-", "--resume", "x"], "--resume goes on with one session: give one folder"),
            (["--jobs", "0"], "--jobs must be 1 to 64"), (["--prompt", " "], "--prompt is empty"),
        ])
    func commandLine(arguments: [String], message: String) async throws {
        let result = try await fixture.run("hypi-spawn", ["--hypivisor", "ws://127.0.0.1:1"] + arguments)
        #expect(result.exit == .status(64))
        #expect(result.errors == "hypi-spawn: \(message) (see 'hypi-spawn --help')\n")
    }

    @Test("nobody there is 69 with the remedy")
    func unreachable() async throws {
        let result = try await fixture.run("hypi-spawn", ["--hypivisor", "ws://127.0.0.1:1/ws", "/"])
        #expect(result.exit == .status(69))
        #expect(result.errors.hasSuffix("connection refused (start it with 'hypivisor')\n"))
    }
}

@Suite("hypi-spawn --local")
struct HypiSpawnLocalTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    @Test("without a hypivisor it starts the agent itself, gives it its task, and prints a valid record")
    func local() async throws {
        defer { fixture.cleanUp() }
        let folder = try fixture.makeFolder("work")
        let result = try await fixture.run(
            "hypi-spawn",
            [
                "--hypivisor", "ws://127.0.0.1:1/ws", "--local", "work", "--new-folder", "x/y", "--name=--odd",
                "--prompt", "hello", "--", "--no-session",
            ])
        #expect(result.errors == "")
        #expect(result.exit == .status(0))
        let record = try JSON(parsing: result.output)
        #expect(record["cwd"] == .string(folder + "/x/y"))
        #expect(record["name"] == "--odd")
        #expect(try RecordSchema("node").faults(in: record) == [])
        let pid = try #require(record["pid"]?.int)
        #expect(Fixture.processes(withHome: fixture.home).contains(pid_t(pid)))
        let url = try #require(record["url"]?.string.flatMap { WebSocketURL($0) })
        let text = try await conversation(url)
        #expect(text.contains("hello"))
    }

    @Test("what pi-socket says about a folder is said once, with its status")
    func failure() async throws {
        let arguments = ["--hypivisor", "ws://127.0.0.1:1/ws", "--local"]
        let result = try await fixture.run("hypi-spawn", arguments + ["nowhere"])
        #expect(result.exit == .status(64))
        #expect(
            result.errors
                == "hypi-spawn: \(fixture.home)/nowhere: cannot work in \(fixture.home)/nowhere: no such file or directory\n"
        )
        let noPi = try await fixture.run("hypi-spawn", arguments + ["."], environment: ["HYPI_PI": "/no/such/pi"])
        #expect(noPi.exit == .status(69))
        #expect(noPi.errors.contains("/no/such/pi"))
        #expect(noPi.errors.filter { $0 == "\n" }.count == 1)
    }

    /// The first frame an agent sends to a viewer: what was said so far.
    private func conversation(_ url: WebSocketURL) async throws -> String {
        let token = try fixture.token()
        return try await within(.seconds(20), "the conversation at \(url)") {
            let stream = try await MessageStream.connect(
                to: url, options: .init(token: token), on: MultiThreadedEventLoopGroup.singleton)
            for try await payload in stream.messages { return String(buffer: payload) }
            return ""
        }
    }
}
