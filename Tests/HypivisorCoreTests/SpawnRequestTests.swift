import HypiNet
import HypiWire
import NIOCore
import Testing

@testable import HypivisorCore

@Suite("Spawn requests")
struct SpawnRequestTests {
    private func request(_ params: JSONObject) throws -> SpawnRequest {
        try SpawnRequest(Params(object: params))
    }

    @Test(
        "A new folder may be nested; absolute ones and ones with . or .. are refused",
        arguments: [
            ("a", ["a"]), ("a/b/c", ["a", "b", "c"]), ("a//b/", ["a", "b"]), ("", []), ("a b", ["a b"]),
            ("/a", nil), ("..", nil), ("a/../../b", nil), ("./a", nil), ("a/..", nil), ("a\u{0}", nil),
        ] as [(String, [Substring]?)])
    func newFolder(_ text: String, _ names: [Substring]?) throws {
        let params: JSONObject = ["path": "/w", "new_folder": .string(text)]
        if let names {
            #expect(try request(params).newFolder == names)
        } else {
            #expect(throws: RegistryFault.self) { try request(params) }
        }
    }

    @Test(
        "What is missing, of a wrong type, or cannot be an argument is refused",
        arguments: [
            [:], ["path": 1], ["path": ""], ["path": "/w", "args": "x"], ["path": "/w", "args": ["x", 1]],
            ["path": "/w", "key": 5], ["path": "/w", "resume": "relative.jsonl"], ["path": "/w", "name": "a\nb"],
            ["path": "/w", "args": ["a\u{0}b"]], ["path": "/w", "new_folder": ["a"]],
            ["path": "/w", "guards": ["max_cost"]], ["path": "/w", "guards": ["max_cost": 1]],
            ["path": "/w", "guards": ["no_such": "1"]],
        ] as [JSONObject])
    func refused(_ params: JSONObject) {
        #expect(throws: RegistryFault.self) { try request(params) }
    }

    @Test("Version 1 peers may send null for what they do not use")
    func nulls() throws {
        let request = try request(["path": "/w", "new_folder": nil, "args": nil, "key": nil, "name": nil])
        #expect(request.newFolder.isEmpty && request.args.isEmpty && request.key == nil)
    }

    @Test("The launcher gets every option, and no value can pass for an option")
    func arguments() throws {
        let request = try request([
            "path": "/w", "name": "-n", "key": "k 1", "resume": "/s.jsonl", "args": ["--model", "x", "--"],
        ])
        let url = WebSocketURL(host: "127.0.0.1", port: 5, path: "/ws")
        #expect(
            Spawner.arguments(request, url: url, spawnID: "id") == [
                "--detach", "--hypivisor=ws://127.0.0.1:5/ws", "--name=-n", "--key=k 1", "--spawn-id=id",
                "--resume=/s.jsonl", "--", "--model", "x", "--",
            ])
    }

    @Test("Guards reach the launcher as options, and the answer names them; an agent that ran already has its own")
    func guards() throws {
        let request = try request([
            "path": "/w", "guards": ["max_cost": "1.5", "hook": "notify --all", "max_turn": nil],
        ])
        let url = WebSocketURL(host: "127.0.0.1", port: 5, path: "/ws")
        #expect(
            Spawner.arguments(request, url: url, spawnID: "id").suffix(2) == ["--spawn-id=id", "--max-cost=1.5"])
        // ps shows command lines to everybody.
        #expect(Spawner.variables(request) == ["HYPI_HOOK": "notify --all"])
        let agent = SpawnedAgent(path: "/w", id: "a", guards: ["max_cost"])
        #expect(agent.json["guards"] == ["max_cost"])
        #expect(agent.existing.json["guards"] == nil)
    }

    @Test("A hook is a name that the hypivisor defines; a command of the client's needs allow-hooks")
    func hooks() throws {
        let named = try request(["path": "/w", "guards": ["max_cost": "1", "hook": "bell"]])
        let command = try request(["path": "/w", "guards": ["hook": "id -u"]])
        var permissions = SpawnPermissions()
        #expect(throws: RegistryFault.self) { try permissions.resolvingHook(of: named) }
        permissions.hooks = ["bell": "notify --all"]
        #expect(Spawner.variables(try permissions.resolvingHook(of: named)) == ["HYPI_HOOK": "notify --all"])
        #expect(try permissions.resolvingHook(of: named).guards.map(\.name) == ["max_cost", "hook"])
        do {
            _ = try permissions.resolvingHook(of: command)
            Issue.record("a command was taken")
        } catch {
            #expect(error.code == .forbidden)
            #expect(error.message.contains("allow-hooks = yes") && error.message.contains("spawn-hook = "))
        }
        permissions.allowsHooks = true
        #expect(Spawner.variables(try permissions.resolvingHook(of: command)) == ["HYPI_HOOK": "id -u"])
        #expect(Spawner.variables(try permissions.resolvingHook(of: named)) == ["HYPI_HOOK": "notify --all"])
    }

    @Test(
        "Arguments need a permission, unless they only name a session by its id",
        arguments: [
            ([], true), (["--session", "0199-ab_c"], true), (["--session", "/x.jsonl"], false),
            (["--session", "-e"], false), (["--session", ""], false), (["--session"], false),
            (["--session", "a", "-e"], false), (["--extension", "a"], false), (["--model", "x"], false),
        ] as [([String], Bool)])
    func permittedArguments(_ args: [String], _ isHarmless: Bool) throws {
        let request = try request(["path": "/w", "args": .array(args.map(JSON.string))])
        var permissions = SpawnPermissions()
        #expect(permissions.allowsArguments(of: request) == isHarmless)
        permissions.allowsArguments = true
        #expect(permissions.allowsArguments(of: request))
    }

    private static let ours = [
        "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "XDG_STATE_HOME": "/s", "HYPI_PI": "pi-demo",
        "HYPI_TOKEN": "secret", "HYPI_TOKEN_FILE": "/old", "ANTHROPIC_API_KEY": "k", "FOO_API_KEY": "k2",
        "https_proxy": "p", "JAVA_HOME": "/j", "NOTIFY_SOCKET": "/n", "LISTEN_FDS": "1",
        "HYPIVISOR_WS": "ws://x?token=t",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x", "OLDPWD": "/", "PWD": "/here",
    ]

    @Test("An agent gets all of our environment but our secrets and what is about our own start")
    func environment() {
        let variables = SpawnEnvironment().variables(from: Self.ours, token: ["HYPI_TOKEN_FILE": "/t"])
        #expect(
            variables == [
                "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "XDG_STATE_HOME": "/s", "HYPI_PI": "pi-demo",
                "HYPI_TOKEN_FILE": "/t", "ANTHROPIC_API_KEY": "k", "FOO_API_KEY": "k2", "https_proxy": "p",
                "JAVA_HOME": "/j", "DBUS_SESSION_BUS_ADDRESS": "unix:path=/x",
            ])
        #expect(
            SpawnEnvironment().variables(from: ["HYPIVISOR_WS": "ws://x"], token: [:]) == ["HYPIVISOR_WS": "ws://x"])
    }

    @Test("A clean environment has what people and providers need, and what was named")
    func cleanEnvironment() {
        var passing = SpawnEnvironment()
        passing.isClean = true
        passing.additions = [("JAVA_HOME", nil), ("NEW", "v"), ("ABSENT", nil), ("LC_ALL", "")]
        #expect(
            passing.variables(from: Self.ours, token: [:]) == [
                "PATH": "/bin", "HOME": "/h", "LC_ALL": "", "XDG_STATE_HOME": "/s", "HYPI_PI": "pi-demo",
                "ANTHROPIC_API_KEY": "k", "FOO_API_KEY": "k2", "https_proxy": "p", "JAVA_HOME": "/j", "NEW": "v",
            ])
    }
}
