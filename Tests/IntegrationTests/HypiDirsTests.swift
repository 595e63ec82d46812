import HypiNet
import HypiTestSupport
import HypiWire
import Testing

@Suite("hypi-dirs")
struct HypiDirsTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    /// Folders below /r: a (a repository), b with two agents, b/deep and below it a link back to b.
    private static let tree: [String: (current: String, entries: [JSON])] = [
        "/r": (
            "/r",
            [
                ["name": "a", "path": "/r/a", "git": true, "agents": 0],
                ["name": "b", "path": "/r/b", "git": false, "agents": 2],
            ]
        ),
        "/r/a": ("/r/a", []),
        "/r/b": ("/r/b", [["name": "deep", "path": "/r/b/deep", "git": true, "agents": 1]]),
        "/r/b/deep": ("/r/b/deep", [["name": "up\u{1B}", "path": "/r/b/deep/up\u{1B}", "git": false, "agents": 0]]),
        "/r/b/deep/up\u{1B}": ("/r/b", [["name": "deep", "path": "/r/b/deep", "git": true, "agents": 1]]),
    ]

    private func registry() async throws -> FakeRegistry {
        try await FakeRegistry.start { request, _ in
            let path = request.params["path"]?.string ?? "/r"
            guard let listing = Self.tree[path] else {
                return .failure(RegistryFault(.notFound, "cannot open folder \(path): no such file or directory"))
            }
            return .success([
                "current": .string(listing.current), "directories": .array(listing.entries.compactMap { $0["name"] }),
                "entries": .array(listing.entries),
            ])
        }
    }

    private func run(
        _ registry: FakeRegistry, _ arguments: [String], cwd: String? = nil
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await fixture.run("hypi-dirs", ["--hypivisor", registry.url] + arguments, cwd: cwd)
    }

    @Test("in a pipe it prints one valid record a folder; without a path the registry's own choice is listed")
    func records() async throws {
        let registry = try await registry()
        let result = try await run(registry, [])
        #expect(result.exit == .status(0))
        #expect(
            result.output == """
                {"path":"/r/a","name":"a","git":true,"agents":0}
                {"path":"/r/b","name":"b","git":false,"agents":2}

                """)
        #expect(try RecordSchema("directory").faults(inLines: result.output) == [])
        #expect(registry.requests.map(\.params) == [[:]])
    }

    @Test("--depth goes down level by level, --git and --missing choose, and a link upwards is not followed again")
    func depth() async throws {
        let registry = try await registry()
        func paths(_ arguments: [String]) async throws -> [String] {
            try await run(registry, ["/r", "--depth", "64", "--print0"] + arguments).output.split(separator: "\0")
                .map(String.init)
        }
        #expect(try await paths([]) == ["/r/a", "/r/b", "/r/b/deep", "/r/b/deep/up\u{1B}"])
        #expect(try await paths(["--git"]) == ["/r/a", "/r/b/deep"])
        #expect(try await paths(["--git", "--missing"]) == ["/r/a"])
        #expect(try await run(registry, ["/r", "--depth", "2", "--print0"]).output == "/r/a\0/r/b\0/r/b/deep\0")
    }

    @Test("on a terminal it prints names below what was asked for, without control characters")
    func names() async throws {
        let registry = try await registry()
        let process = try fixture.start(
            "hypi-dirs", ["--hypivisor", registry.url, "--depth", "3"], terminal: .size(columns: 80, rows: 24))
        #expect(try await process.finish().output == "a\r\nb\r\nb/deep\r\nb/deep/up\r\n")
    }

    @Test("a folder that cannot be listed is one line and status 1, and the others are listed")
    func missing() async throws {
        let result = try await run(try await registry(), ["/nowhere", "/r/b"])
        #expect(result.exit == .status(1))
        #expect(result.output == "{\"path\":\"/r/b/deep\",\"name\":\"deep\",\"git\":true,\"agents\":1}\n")
        #expect(result.errors == "hypi-dirs: cannot open folder /nowhere: no such file or directory\n")
    }

    @Test("relative folders are meant from here, ~ from home")
    func relative() async throws {
        let registry = try await registry()
        let folder = try fixture.makeFolder("src")
        _ = try await run(registry, ["..", "x/./y", "~/z"], cwd: folder)
        #expect(
            Set(registry.requests.compactMap { $0.params["path"]?.string })
                == [fixture.home, folder + "/x/y", fixture.home + "/z"])
    }

    @Test("a version 1 registry knows names only, and nothing is invented")
    func version1() async throws {
        let registry = try await FakeRegistry.start { _, _ in
            .success(["current": "/", "directories": ["bin", "etc"]])
        }
        let result = try await run(registry, [])
        #expect(result.output == "{\"path\":\"/bin\",\"name\":\"bin\"}\n{\"path\":\"/etc\",\"name\":\"etc\"}\n")
        #expect(try await run(registry, ["--git"]).output == "")
    }

    @Test("requests run at once, but not without bound, and come out in order")
    func concurrent() async throws {
        let registry = try await FakeRegistry.start { request, _ in
            let path = request.params["path"]?.string ?? "/r"
            let names = path == "/r" ? (100..<400).map { "d\($0)" } : ["leaf"]
            return .success(["current": .string(path), "directories": .array(names.map(JSON.string))])
        }
        let result = try await run(registry, ["--depth", "2", "--print0"])
        let paths = result.output.split(separator: "\0").map(String.init)
        #expect(paths == (100..<400).map { "/r/d\($0)" } + (100..<400).map { "/r/d\($0)/leaf" })
    }
}
