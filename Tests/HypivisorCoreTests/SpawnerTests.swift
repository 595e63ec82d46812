import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@testable import HypivisorCore

/// `spawn_agent` over a socket, with a script in the place of `pi-socket --detach`.
@Suite("Spawning")
struct SpawnerTests {
    /// Runs `body` with a launcher; the script finds its test's folder in `HYPI_TEST`.
    private func withLauncher(
        _ script: String, change: (inout Hypivisor.Configuration, TestFolder) throws -> Void = { _, _ in },
        _ body: (TestRegistry, RegistryPeer) async throws -> Void
    ) async throws {
        try await TestRegistry.run { configuration, folder in
            try folder.write("launcher", "#!/bin/sh\n" + script, executable: true)
            try folder.make("home/project")
            configuration.roots = try Roots([folder.path + "/home"], home: folder.path + "/home")
            configuration.spawning.command = [folder.path + "/launcher"]
            configuration.spawning.environment = [
                "PATH": "/usr/bin:/bin", "HYPI_TEST": folder.path, "HYPI_TEST_PID": "\(getpid())", "SECRET": "s",
            ]
            try change(&configuration, folder)
        } _: { registry in
            try await body(registry, try await registry.peer())
        }
    }

    /// Notes its arguments and says that it is ready; its agent is this very process, which lives.
    private static let ready = """
        printf '%s\\n' "$@" > "$HYPI_TEST/arguments.$$"
        echo started >> "$HYPI_TEST/starts"
        echo "a line for people"
        echo "{\\"event\\":\\"ready\\",\\"id\\":\\"a-1\\",\\"url\\":\\"ws://x\\",\\"pid\\":$HYPI_TEST_PID,\\"cwd\\":\\"$PWD\\"}"
        """

    private func project(_ registry: TestRegistry) -> JSON { .string(registry.folder.path + "/home/project") }

    private func starts(_ registry: TestRegistry) -> Int {
        registry.folder.read("starts")?.split(separator: "\n").count ?? 0
    }

    @Test("The answer has the shape of version 1, and what version 2 adds")
    func answers() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            let result = try await peer.result("spawn_agent", ["path": project(registry)])
            #expect(result["status"] == "spawning")
            #expect(result["path"] == project(registry))
            #expect(result["id"] == "a-1")
            #expect(result["pid"] == .int(getpid()))
            #expect(result["spawn_id"]?.string?.isEmpty == false)
            #expect(result["existing"] == nil)
        }
    }

    @Test("The launcher gets every option, an environment of its own, a session of its own and no descriptor of ours")
    func launches() async throws {
        let script =
            Self.ready + "\n" + """
                cp "$HYPI_TEST/arguments.$$" "$HYPI_TEST/arguments"
                env > "$HYPI_TEST/environment"
                pwd > "$HYPI_TEST/cwd"
                cut -d' ' -f6 /proc/$$/stat > "$HYPI_TEST/session"; echo $$ > "$HYPI_TEST/pid"
                for fd in /proc/$$/fd/*; do readlink "$fd"; done > "$HYPI_TEST/descriptors"
                """
        try await withLauncher(
            script,
            change: { configuration, _ in
                configuration.spawning.tokenVariable = ["HYPI_TOKEN_FILE": "/t"]
                configuration.spawning.permissions.allowsArguments = true
            }
        ) { registry, peer in
            let result = try await peer.result(
                "spawn_agent", ["path": project(registry), "name": "N", "key": "k", "args": ["--x", "y z"]])
            let folder = registry.folder
            let spawnID = try #require(result["spawn_id"]?.string)
            #expect(
                folder.read("arguments")?.split(separator: "\n").map(String.init) == [
                    "--detach", "--hypivisor=\(registry.url)", "--name=N", "--key=k", "--spawn-id=\(spawnID)", "--",
                    "--x", "y z",
                ])
            let environment = Set((folder.read("environment") ?? "").split(separator: "\n").map(String.init))
            #expect(environment.contains("HYPI_TOKEN_FILE=/t"))
            #expect(environment.contains("PWD=\(folder.path)/home/project"))
            #expect(environment.contains("SECRET=s"))
            #expect(folder.read("cwd") == folder.path + "/home/project\n")
            #expect(folder.read("session") == folder.read("pid"))
            let descriptors = (folder.read("descriptors") ?? "").split(separator: "\n")
            // Its standard streams, and what the shell itself opened: the script, the redirections of this very list.
            let own = ["/dev/null", "pipe:", folder.path]
            #expect(descriptors.allSatisfy { name in own.contains { name.hasPrefix($0) } }, "\(descriptors)")
            #expect(descriptors.count { $0.hasPrefix("pipe:") } <= 3)
        }
    }

    @Test("A command as a hook is refused before anything starts; a hook that is defined reaches the agent")
    func hooks() async throws {
        try await withLauncher(
            "printf '%s' \"$HYPI_HOOK\" > \"$HYPI_TEST/hook\"\n" + Self.ready,
            change: { configuration, _ in configuration.spawning.permissions.hooks = ["bell": "ring it"] }
        ) { registry, peer in
            for hook in ["id -u", "bell; id"] {
                let params: JSONObject = [
                    "path": project(registry), "new_folder": "n", "key": "k", "guards": ["hook": .string(hook)],
                ]
                #expect(try await peer.refusal("spawn_agent", params) == "forbidden")
            }
            #expect(starts(registry) == 0 && !registry.folder.exists("home/project/n"))
            let result = try await peer.result(
                "spawn_agent", ["path": project(registry), "guards": ["hook": "bell"]])
            #expect(result["guards"] == ["hook"])
            #expect(registry.folder.read("hook") == "ring it")
        }
    }

    #if os(Linux)
        @Test("Arguments for pi are taken from this user on this machine without a permission")
        func ownArguments() async throws {
            try await withLauncher(Self.ready) { registry, peer in
                _ = try await peer.result("spawn_agent", ["path": project(registry), "args": ["--model", "x"]])
                #expect(starts(registry) == 1)
            }
        }
    #endif

    @Test("A new folder, nested or there already, is made below the path and is where the agent starts")
    func newFolder() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            for _ in 0..<2 {
                let result = try await peer.result("spawn_agent", ["path": project(registry), "new_folder": "x/y"])
                #expect(result["path"] == .string(registry.folder.path + "/home/project/x/y"))
            }
            #expect(registry.folder.exists("home/project/x/y"))
        }
    }

    @Test("A path outside the roots is refused, nothing is made there and nothing starts")
    func outside() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            let folder = registry.folder
            try folder.make("home2")
            try folder.link("home/away", to: "../home2")
            let refused: [JSONObject] = [
                ["path": .string(folder.path + "/home2"), "new_folder": "n"],
                ["path": .string(folder.path + "/home/.."), "new_folder": "n"],
                ["path": .string(folder.path + "/home/away"), "new_folder": "n"],
            ]
            for params in refused { #expect(try await peer.refusal("spawn_agent", params) == "outside_roots") }
            let home = JSON.string(folder.path + "/home")
            #expect(try await peer.refusal("spawn_agent", ["path": home, "new_folder": "../n"]) == "invalid_params")
            #expect(try await peer.refusal("spawn_agent", ["path": home, "new_folder": "/n"]) == "invalid_params")
            #expect(try await peer.refusal("spawn_agent", ["path": home, "new_folder": "away/n"]) == "not_found")
            #expect(try await peer.refusal("spawn_agent", ["path": .string(folder.path + "/no")]) == "not_found")
            #expect(try await peer.refusal("spawn_agent") == "invalid_params")
            #expect(!folder.exists("home2/n") && !folder.exists("n"))
            #expect(starts(registry) == 0)
        }
    }

    @Test("An agent begins in the folder that was checked, though its path leads elsewhere by the time it starts")
    func swapped() async throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("home/project")
        try folder.make("outside")
        let open = try Roots([folder.path + "/home"], home: nil).open(folder.path + "/home/project")
        try FileManager.default.moveItem(atPath: open.path, toPath: folder.path + "/home/moved")
        try folder.link("home/project", to: "../outside")
        let script = """
            pwd -P > '\(folder.path)/cwd'; echo '{"event":"ready","id":"a-1"}'
            """
        let launcher = Launcher(
            command: ["/bin/sh", "-c", script], environment: ["PATH": "/usr/bin:/bin"], limit: .seconds(20))
        #expect(try await launcher.start([], in: open).id == "a-1")
        #expect(folder.read("cwd") == folder.path + "/home/moved\n")
    }

    @Test("A folder whose real path is not UTF-8 is refused: repaired, it would be another one")
    func notUTF8() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            let home = registry.folder.path + "/home"
            // The real folder, and a link by the repaired name that leads out of the root.
            let raw = Array((home + "/x").utf8.map(CChar.init(bitPattern:))) + [CChar(bitPattern: 0xFF), 0]
            #expect(mkdir(raw, 0o755) == 0)
            #expect(symlink(raw, home + "/in") == 0)
            try registry.folder.make("outside")
            try registry.folder.link("home/x\u{FFFD}", to: "../outside")
            let answer = try await peer.ask("spawn_agent", ["path": .string(home + "/in")])
            #expect(answer["code"] == "invalid_params")
            #expect(answer["error"]?.string?.contains("not UTF-8") == true)
            #expect(try await peer.refusal("list_directories", ["path": .string(home + "/in")]) == "invalid_params")
            #expect(starts(registry) == 0)
        }
    }

    @Test("A launcher that fails is answered with its last words and its status")
    func fails() async throws {
        try await withLauncher("echo noise >&2; echo 'pi-socket: cannot start pi: not found' >&2; exit 71") {
            registry, peer in
            let answer = try await peer.ask("spawn_agent", ["path": project(registry)])
            #expect(answer["code"] == "spawn_failed")
            #expect(
                answer["error"] == "the agent did not start: pi-socket: cannot start pi: not found (exit status 71)")
        }
    }

    @Test("A launcher that is not there is answered with its name")
    func missing() async throws {
        try await withLauncher("", change: { $0.spawning.command = [$1.path + "/none"] }) { registry, peer in
            let answer = try await peer.ask("spawn_agent", ["path": project(registry)])
            #expect(answer["code"] == "spawn_failed")
            #expect(answer["error"]?.string?.contains("/none") == true)
        }
        try await withLauncher("", change: { configuration, _ in configuration.spawning.command = nil }) {
            registry, peer in
            let code = try await peer.refusal("spawn_agent", ["path": project(registry)])
            #expect(code == "spawn_failed")
        }
    }

    @Test("An agent that is not ready in time is given up, and its launcher is told to end")
    func tooSlow() async throws {
        let script = """
            exec 2>/dev/null
            trap 'echo ended > "$HYPI_TEST/ended"; exit 0' TERM
            mkfifo "$HYPI_TEST/gate"
            while :; do read line < "$HYPI_TEST/gate"; done
            """
        try await withLauncher(
            script, change: { configuration, _ in configuration.spawning.startTime = .milliseconds(700) }
        ) { registry, peer in
            let answer = try await peer.ask("spawn_agent", ["path": project(registry)])
            #expect(answer["code"] == "spawn_failed")
            #expect(answer["error"]?.string?.contains("not ready within") == true)
            #expect(registry.folder.read("ended") == "ended\n")
        }
    }

    @Test("The answer comes with the ready line, though something the launcher left behind holds its output")
    func leftBehind() async throws {
        try await withLauncher("sleep \(3 * Effort.patience) &\n" + Self.ready) { registry, peer in
            let clock = ContinuousClock.now
            _ = try await peer.result("spawn_agent", ["path": project(registry)])
            #expect(clock.duration(to: .now) < .seconds(2) * Effort.patience)
        }
    }

    @Test("Requests with one key start one agent, whether they come together or later")
    func oneKey() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            let params: JSONObject = ["path": project(registry), "key": "k", "new_folder": "f"]
            let results = try await withThrowingTaskGroup(of: JSON.self) { tasks in
                for _ in 0..<8 {
                    tasks.addTask {
                        let peer = try await registry.peer()
                        return try await peer.result("spawn_agent", params)
                    }
                }
                return try await tasks.reduce(into: []) { $0.append($1) }
            }
            #expect(results.count { $0["existing"] == nil } == 1)
            #expect(Set(results.map { $0["id"]?.string }) == ["a-1"])
            #expect(try await peer.result("spawn_agent", params)["existing"] == true)
            #expect(starts(registry) == 1)
        }
    }

    @Test("A key that a living agent registered with finds it; another key starts another agent")
    func registeredKey() async throws {
        try await withLauncher(Self.ready) { registry, peer in
            let agent = try await registry.peer()
            let node = RegistryPeer.node("old", ["key": "k", "spawn_id": "s", "pid": 5, "cwd": "/w"])
            _ = try await agent.result("register", node)
            let result = try await peer.result("spawn_agent", ["path": project(registry), "key": "k"])
            #expect(
                result == [
                    "status": "spawning", "path": "/w", "spawn_id": "s", "pid": 5, "id": "old", "existing": true,
                ])
            #expect(starts(registry) == 0)
            _ = try await peer.result("spawn_agent", ["path": project(registry), "key": "other"])
            #expect(starts(registry) == 1)
        }
    }

    @Test("A start that failed leaves its key free")
    func keyAfterFailure() async throws {
        try await withLauncher("[ -e \"$HYPI_TEST/go\" ] || exit 1\n" + Self.ready) { registry, peer in
            let params: JSONObject = ["path": project(registry), "key": "k"]
            #expect(try await peer.refusal("spawn_agent", params) == "spawn_failed")
            try registry.folder.write("go", "")
            #expect(try await peer.result("spawn_agent", params)["existing"] == nil)
        }
    }

    @Test("After a start, a key waits for the agents of the hypivisor before")
    func rejoin() async throws {
        try await withLauncher(
            Self.ready, change: { configuration, _ in configuration.spawning.rejoinTime = .seconds(4) }
        ) { registry, peer in
            async let result = peer.result("spawn_agent", ["path": project(registry), "key": "k"])
            let agent = try await registry.peer(query: "role=agent")
            _ = try await agent.result("register", RegistryPeer.node("old", ["key": "k"]))
            let answer = try await result
            #expect(answer["id"] == "old")
            #expect(starts(registry) == 0)
        }
    }

    @Test("The answer waits until the agent has registered")
    func waitsForRegistration() async throws {
        let script = "printf '%s\\n' \"$@\" > \"$HYPI_TEST/noted\"; mv \"$HYPI_TEST/noted\" \"$HYPI_TEST/done\"\n"
        try await withLauncher(
            script + Self.ready, change: { configuration, _ in configuration.spawning.registrationTime = .seconds(20) }
        ) { registry, peer in
            let agent = try await registry.peer(query: "role=agent")
            peer.send(["id": "s", "method": "spawn_agent", "params": ["path": project(registry)]])
            let spawnID = try await within(.seconds(10), "the launcher's arguments") {
                while true {
                    let words = registry.folder.read("done")?.split(separator: "\n") ?? []
                    if let word = words.first(where: { $0.hasPrefix("--spawn-id=") }) {
                        return String(word.dropFirst("--spawn-id=".count))
                    }
                    await Task.yield()
                }
            }
            _ = try await agent.result("register", RegistryPeer.node("a-1", ["spawn_id": .string(spawnID)]))
            #expect(try await peer.next()["event"] == "node_joined")
            #expect(try await peer.next()["result"]?["spawn_id"] == .string(spawnID))
        }
    }

    @Test("No more agents are started than may live, and none at all where that is switched off")
    func limits() async throws {
        try await withLauncher(
            Self.ready, change: { configuration, _ in configuration.spawning.agentLimit = 1 }
        ) { registry, peer in
            let agent = try await registry.peer()
            _ = try await agent.result("register", RegistryPeer.node("other", ["machine": "far", "spawn_id": "s"]))
            _ = try await peer.result("spawn_agent", ["path": project(registry)])
            _ = try await agent.result("register", RegistryPeer.node("a-1", ["spawn_id": "s"]))
            #expect(try await peer.refusal("spawn_agent", ["path": project(registry)]) == "busy")
        }
        try await withLauncher(
            Self.ready, change: { configuration, _ in configuration.spawning.isEnabled = false }
        ) { registry, peer in
            let code = try await peer.refusal("spawn_agent", ["path": project(registry)])
            #expect(code == "forbidden")
            #expect(starts(registry) == 0)
        }
    }
}
