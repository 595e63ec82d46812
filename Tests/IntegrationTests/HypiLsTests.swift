import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

@Suite("hypi-ls")
struct HypiLsTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    private static func node(
        _ id: String, _ cwd: String, _ activity: Node.Activity?, name: String? = nil, machine: String = "desk"
    ) -> Node {
        var node = Node(id: id, machine: machine, cwd: cwd, port: 4000)
        node.activity = activity
        node.name = name
        node.model = "demo/demo-large"
        node.cost = 1.256
        node.contextPercent = 41.7
        node.extra["future"] = ["a", 1.0]
        return node
    }

    private static var nodes: [Node] {
        var gone = node("old-1", "/srv/old", .working)
        gone.status = .offline
        return [
            gone, node("app-1", "/home/ann/app", .idle), node("web-1", "/srv/web", .working, name: "nightly web"),
            node("ask-1", "/home/ann/ask", .inputRequired, machine: "lap"), node("stop-1", "/srv/stop", .blocked),
        ]
    }

    private func run(_ registry: FakeRegistry, _ arguments: [String] = []) async throws -> (
        exit: TestProcess.Exit, output: String, errors: String
    ) {
        try await fixture.run("hypi-ls", ["--hypivisor", registry.url] + arguments)
    }

    private func ids(_ registry: FakeRegistry, _ arguments: [String]) async throws -> [String] {
        let result = try await run(registry, ["-q"] + arguments)
        #expect(result.exit == .status(0))
        #expect(result.errors == "")
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test("in a pipe it prints one valid record an agent, those that need a person first, unknown fields kept")
    func records() async throws {
        let registry = try await FakeRegistry.start(Self.nodes)
        let result = try await run(registry)
        #expect(result.exit == .status(0))
        let records = try result.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(records.map { $0["id"]?.string } == ["ask-1", "stop-1", "web-1", "app-1", "old-1"])
        #expect(records[3] == Self.nodes[1].json)
        #expect(try RecordSchema("node").faults(inLines: result.output) == [])
    }

    @Test("conditions combine, and target words mean agents as everywhere")
    func filters() async throws {
        let registry = try await FakeRegistry.start(Self.nodes)
        #expect(try await ids(registry, ["--activity", "idle", "--activity", "blocked"]) == ["stop-1", "app-1"])
        // What an offline agent did last is not what it does.
        #expect(try await ids(registry, ["--activity", "working"]) == ["web-1"])
        #expect(try await ids(registry, ["--status", "offline"]) == ["old-1"])
        #expect(try await ids(registry, ["--machine", "lap"]) == ["ask-1"])
        #expect(try await ids(registry, ["--cwd", "/srv"]) == ["stop-1", "web-1", "old-1"])
        #expect(try await ids(registry, ["--cwd", "/srv/we"]) == [])
        #expect(try await ids(registry, ["--name", "nightly*"]) == ["web-1"])
        #expect(try await ids(registry, ["--cwd", "/srv", "--activity", "blocked"]) == ["stop-1"])
        #expect(try await ids(registry, ["web", "/home/ann/app", "--activity", "idle"]) == ["app-1"])
    }

    @Test("an unknown word is 1, an ambiguous one lists all that it fits")
    func words() async throws {
        let registry = try await FakeRegistry.start(Self.nodes + [Self.node("app-2", "/other/app", .idle)])
        let unknown = try await run(registry, ["nobody"])
        #expect(unknown.exit == .status(1))
        #expect(unknown.errors == "hypi-ls: no agent is called 'nobody' ('hypi-ls' lists them)\n")
        #expect(try await ids(registry, ["app"]).sorted() == ["app-1", "app-2"])
    }

    @Test("no agents are success without output; a terminal gets a hint what to do")
    func empty() async throws {
        let registry = try await FakeRegistry.start()
        #expect(try await run(registry).output == "")
        let process = try fixture.start(
            "hypi-ls", ["--hypivisor", registry.url], terminal: .size(columns: 80, rows: 24))
        let result = try await process.finish()
        #expect(result.exit == .status(0))
        #expect(result.output == "hypi-ls: no agent is running (start one with 'hypi-spawn DIR')\r\n")
    }

    @Test("a terminal gets a coloured table that fits it; NO_COLOR, TERM=dumb and --no-color a plain one")
    func table() async throws {
        let registry = try await FakeRegistry.start(Self.nodes)
        func table(_ arguments: [String] = [], _ environment: [String: String], columns: UInt16 = 120) async throws
            -> [String]
        {
            let process = try fixture.start(
                "hypi-ls", ["--hypivisor", registry.url] + arguments, environment: environment,
                terminal: .size(columns: columns, rows: 24))
            return try await process.finish().output.split(separator: "\r\n").map(String.init)
        }
        let plain = try await table([], ["TERM": "xterm", "NO_COLOR": "1", "HOME": "/home/ann"])
        #expect(
            plain.prefix(3) == [
                "ID      ACTIVITY        NAME         FOLDER     MACHINE  MODEL             COST  CONTEXT",
                "ask-1   input-required               ~/ask      lap      demo/demo-large  $1.26      42%",
                "stop-1  blocked                      /srv/stop  desk     demo/demo-large  $1.26      42%",
            ])
        #expect(plain.count == 6)
        #expect(try await table(["--no-color"], ["TERM": "xterm", "HOME": "/home/ann"]) == plain)
        #expect(try await table([], ["TERM": "dumb", "HOME": "/home/ann"]) == plain)
        let colored = try await table([], ["TERM": "xterm"])
        #expect(colored[1].contains("\u{1B}[33minput-required\u{1B}[0m"))
        let narrow = try await table(["--no-color"], ["TERM": "xterm"], columns: 40)
        #expect(narrow.allSatisfy { $0.count <= 40 })
        #expect(narrow[0].hasPrefix("ID      ACTIVITY"))
    }

    @Test("nobody there is 69 with the remedy, a wrong token 77, a strange server 76")
    func unreachable() async throws {
        let nobody = try await fixture.run("hypi-ls", ["--hypivisor", "ws://127.0.0.1:1/ws"])
        #expect(nobody.exit == .status(69))
        #expect(
            nobody.errors
                == "hypi-ls: cannot reach ws://127.0.0.1:1/ws: connection refused (start it with 'hypivisor')\n")
        let registry = try await FakeRegistry.start(token: Token("right"))
        let refused = try await fixture.run(
            "hypi-ls", ["--hypivisor", registry.url], environment: ["HYPI_TOKEN": "wrong"])
        #expect(refused.exit == .status(77))
        #expect(
            refused.errors == """
                hypi-ls: \(registry.url) answered 401: the token is wrong (the token is in HYPI_TOKEN, HYPI_TOKEN_FILE or \
                ~/.config/hyper-pi/token)

                """)
    }

    @Test("the version needs neither network nor home, a wrong option is one line and 64")
    func commandLine() async throws {
        let version = try await fixture.run("hypi-ls", ["--version"], environment: ["HYPIVISOR_WS": "nonsense"])
        #expect(version.output == "hypi-ls \(Version.current)\n")
        let wrong = try await fixture.run("hypi-ls", ["--nonsense"])
        #expect(wrong.exit == .status(64))
        #expect(wrong.errors == "hypi-ls: unknown option '--nonsense' (see 'hypi-ls --help')\n")
    }

    @Test("a full disk is 74, a reader that has gone ends it as SIGPIPE does")
    func output() async throws {
        let registry = try await FakeRegistry.start(Self.nodes)
        let shell = try TestProcess(
            "/bin/sh", ["-c", "hypi-ls >/dev/full; echo $?; hypi-ls >&-; echo $?"],
            environment: fixture.environment.merging(["HYPIVISOR_WS": registry.url]) { $1 })
        let result = try await shell.finish()
        #expect(result.output == "74\n74\n")
        #expect(
            result.errors == """
                hypi-ls: cannot write to standard output: no space left on device
                hypi-ls: cannot write to standard output: bad file descriptor

                """)
    }

    @Test("ten thousand agents are listed within seconds, also by a debug build")
    func many() async throws {
        let registry = try await FakeRegistry.start((0..<10_000).map { Self.node("n-\($0)", "/n/\($0)", .idle) })
        let result = try await fixture.run(
            "hypi-ls", ["--hypivisor", registry.url, "--timeout", "60"], timeout: .seconds(60))
        #expect(result.output.split(separator: "\n").count == 10_000)
    }

    @Test("what does not come within --timeout is named, with status 124")
    func timeout() async throws {
        let registry = try await FakeRegistry.start(Self.nodes)
        let result = try await run(registry, ["--wait", "idle", "web", "--timeout", "5"])
        #expect(result.exit == .status(124))
        #expect(result.errors == "hypi-ls: timed out after 5 s: not idle: web-1\n")
    }

    @Test("shells complete ids, names, machines and folders from the running hypivisor, at once or not at all")
    func completion() async throws {
        let registry = try await FakeRegistry.start(Self.nodes) { request, _ in
            .success(["current": request.params["path"] ?? .null, "directories": ["app", "web", "bad\n"]])
        }
        func words(
            _ tool: String, _ option: [String], _ prefix: String, _ url: String? = nil, attempts: Int = 20
        ) async throws -> [String] {
            let line = [tool] + option + [prefix]
            let result = try await fixture.run(
                tool,
                ["---completion", "--"] + (option.isEmpty ? ["positional@0"] : option)
                    + [String(line.count - 1), String(prefix.utf8.count)] + line,
                environment: ["HYPIVISOR_WS": url ?? registry.url])
            #expect(result.exit == .status(0))
            #expect(result.errors == "")
            let found = result.output.split(separator: "\n").map(String.init)
            // A machine that is busy with other tests may not answer in the time that a person is made to wait.
            guard found.isEmpty, url == nil, attempts > 0 else { return found }
            return try await words(tool, option, prefix, attempts: attempts - 1)
        }
        #expect(try await words("hypi-ls", [], "") == ["app-1", "ask-1", "nightly web", "old-1", "stop-1", "web-1"])
        #expect(try await words("hypi-ls", [], "a") == ["app-1", "ask-1"])
        #expect(try await words("hypi-ls", [], "/home") == ["/home/ann/app", "/home/ann/ask"])
        #expect(try await words("hypi-ls", ["--machine"], "") == ["desk", "lap"])
        #expect(try await words("hypi-ls", ["--name"], "n") == ["nightly web"])
        #expect(try await words("hypi-spawn", [], "/srv/a") == ["/srv/app/"])
        #expect(try await words("hypi-dirs", [], "~/w") == ["~/web/"])
        #expect(Set(registry.requests.map { $0.params["path"] }) == ["/srv", .string(fixture.home)])
        #expect(try await words("hypi-attach", [], "st") == ["stop-1"])
        #expect(try await words("hypi-ls", [], "", "ws://127.0.0.1:1/ws") == [])
    }
}
