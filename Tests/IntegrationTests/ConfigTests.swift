import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// What a person writes down once, in `~/.config/hyper-pi/config`.
@Suite("The config file")
struct ConfigTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    private func write(_ text: String) throws {
        let folder = try fixture.makeFolder(".config/hyper-pi")
        try text.write(toFile: folder + "/config", atomically: true, encoding: .utf8)
    }

    @Test("one token file serves the daemons and all that talk to them")
    func tokenFile() async throws {
        defer { fixture.cleanUp() }
        try Fixture.writeSecret("a-token-of-my-own\n", to: fixture.home + "/secret")
        try write("# mine\ntoken-file = \(fixture.home)/secret\nlog-format = json\n")
        let (hypivisor, _) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--id", "one"])
        let listed = try await fixture.run("hypi-ls", ["--wait", "idle", "one", "--timeout", "20"])
        #expect(listed.exit == .status(0), "\(listed.errors)")
        #expect(try await fixture.run("hypi-attach", ["-p", "hi", "\(agent.url)"]).exit == .status(0))
        let stranger = try await fixture.run("hypi-ls", environment: ["HYPI_TOKEN": "another"])
        #expect(stranger.exit == .status(77))
        #expect(!FileManager.default.fileExists(atPath: fixture.home + "/.config/hyper-pi/token"))
        #expect(hypivisor.errors.text.hasPrefix("{\"ts\":"))
    }

    @Test("a flag is stronger than the environment, that is stronger than the file, that is stronger than defaults")
    func order() async throws {
        defer { fixture.cleanUp() }
        try write("pi = /no/such/config-pi\n")
        func failure(_ arguments: [String], _ environment: [String: String]) async throws -> String {
            let variables = ["HYPI_PI": ""].merging(environment) { $1 }
            let result = try await fixture.run("pi-socket", ["--standalone"] + arguments, environment: variables)
            #expect(result.exit == .status(69))
            return result.errors
        }
        #expect(try await failure([], [:]).contains("/no/such/config-pi"))
        #expect(try await failure([], ["HYPI_PI": "/no/such/env-pi"]).contains("/no/such/env-pi"))
        let flag = try await failure(["--pi", "/no/such/flag-pi"], ["HYPI_PI": "/no/such/env-pi"])
        #expect(flag.contains("/no/such/flag-pi"))
        #expect(try await failure(["--pi=/no/such/flag-pi"], [:]).contains("/no/such/flag-pi"))
    }

    @Test("what is wrong with the file is told as the file's, with status 78, and stops neither help nor version")
    func mistakes() async throws {
        defer { fixture.cleanUp() }
        let file = fixture.home + "/.config/hyper-pi/config"
        try write("grace = soon\nno-spawn = perhaps\njobs = many\n")
        let bridge = try await fixture.run("pi-socket")
        #expect(bridge.exit == .status(78))
        #expect(
            bridge.errors == """
                pi-socket: \(file):1: the value 'soon' is invalid for '--grace <time>': expected a time such as 250ms, \
                30s, 5m or 2h (see 'pi-socket --help')

                """)
        let registry = try await fixture.run("hypivisor", ["--port", "0"])
        #expect(registry.exit == .status(78))
        #expect(registry.errors == "hypivisor: \(file):2: 'no-spawn = perhaps' is neither true nor false\n")
        let spawn = try await fixture.run("hypi-spawn", ["/"])
        #expect(spawn.exit == .status(78))
        #expect(spawn.errors.hasPrefix("hypi-spawn: \(file):3: the value 'many' is invalid for '--jobs <count>'"))
        #expect(try await fixture.run("pi-socket", ["--help"]).exit == .status(0))
        #expect(try await fixture.run("hypivisor", ["--version"]).exit == .status(0))
        #expect(try await fixture.run("pi-socket", ["--nonsense"]).exit == .status(64))
    }

    @Test(
        "a wrong line is one line with the file's and the line's name, whatever is wrong with it",
        arguments: [
            ("pi-socket", "max-cost = -1", "the value '-1' is invalid for '--max-cost <usd>': expected an amount such"),
            ("pi-socket", "max-cost = nan", "the value 'nan' is invalid for '--max-cost <usd>': expected an amount"),
            ("pi-socket", "max-repeats = 0", "--max-repeats must be positive (see 'pi-socket --help')"),
            ("pi-socket", "replay = big", "the value 'big' is invalid for '--replay <size>': expected a size such as"),
            ("pi-socket", "restart = maybe", "the value 'maybe' is invalid for '--restart <when>'. Please provide one"),
            ("pi-socket", "insecure = 2", "'insecure = 2' is neither true nor false"),
            ("pi-socket", "hypivisor = ws://", "'hypivisor' is not a WebSocket URL (such as ws://127.0.0.1:31415/ws)"),
            ("hypivisor", "max-connections = 0", "--max-connections must be positive (see 'hypivisor --help')"),
            ("hypi-ls", "timeout = soon", "'timeout = soon' is no time (expected a time such as 250ms, 30s, 5m or 2h)"),
            ("hypi-ls", "insecure = 2", "'insecure = 2' is neither true nor false"),
            ("hypi-ls", "hypivisor = ws://", "'hypivisor' is not a WebSocket URL (such as ws://127.0.0.1:31415/ws)"),
            ("hypi-ls", "grace =", "'grace' has no value (without the line it is unset)"),
            ("hypi-ls", "port = 1", "'port' is no setting (the manual pages list them, under FILES)"),
            ("hypi-ls", "token_file = x", "'token_file' is no setting (did you mean 'token-file'?)"),
            ("hypi-ls", "heartbeat 15s", "not a setting (one 'option-name = value' a line)"),
        ])
    func line(tool: String, text: String, message: String) async throws {
        defer { fixture.cleanUp() }
        try write("# mine\nmax-agents = 3\n\(text)\n")
        let result = try await fixture.run(tool, ["pi-socket", "hypivisor"].contains(tool) ? ["--port", "0"] : [])
        #expect(result.exit == .status(78))
        #expect(result.errors.hasPrefix("\(tool): \(fixture.home)/.config/hyper-pi/config:3: \(message)"))
        #expect(result.errors.split(separator: "\n").count == 1)
    }

    @Test("a port in the environment that is none is told by the variable's name")
    func port() async throws {
        defer { fixture.cleanUp() }
        let result = try await fixture.run("pi-socket", environment: ["PI_SOCKET_PORT": "abc"])
        #expect(result.exit == .status(78))
        #expect(result.errors == "pi-socket: PI_SOCKET_PORT must be a number from 0 to 65535, not abc\n")
    }

    @Test("a setting that is there twice is refused; what can be repeated on a command line can be here")
    func twice() async throws {
        defer { fixture.cleanUp() }
        let file = fixture.home + "/.config/hyper-pi/config"
        try write("grace = 5s\ntimeout = 1m\ngrace = 10s\n")
        let result = try await fixture.run("hypi-ls")
        #expect(result == (.status(78), "", "hypi-ls: \(file):3: 'grace' is set already (see \(file):1)\n"))
        let roots = [try fixture.makeFolder("src"), try fixture.makeFolder("work")]
        try write("root = \(roots[0])\nroot = \(roots[1])\n")
        _ = try await fixture.startHypivisor()
        let listed = try await fixture.run("hypi-dirs", roots)
        #expect(listed.exit == .status(0), "\(listed.errors)")
        #expect(try await fixture.run("hypi-dirs", [fixture.home]).exit == .status(64))
    }

    @Test("a key that is no setting is told with its line; one that another program takes is passed over")
    func keys() async throws {
        defer { fixture.cleanUp() }
        try write("# mine\nmax-cots = 5\n")
        for tool in ["pi-socket", "hypivisor", "hypi-ls", "hypi-attach", "hypi-spawn", "hypi-dirs"] {
            let arguments = ["pi-socket", "hypivisor"].contains(tool) ? ["--port", "0"] : ["/"]
            let result = try await fixture.run(tool, arguments)
            #expect(result.exit == .status(78), "\(tool)")
            #expect(
                result.errors == """
                    \(tool): \(fixture.home)/.config/hyper-pi/config:2: 'max-cots' is no setting \
                    (did you mean 'max-cost'?)

                    """)
        }
        var keys: Set<String> = ["hypivisor", "token-file", "ca-file", "tls-pin", "timeout", "insecure"]
        for tool in ["pi-socket", "hypivisor", "hypi-ls", "hypi-attach", "hypi-spawn"] {
            let page = try await fixture.run(tool, ["--generate-manual"]).output
            let taken = try #require(page.components(separatedBy: "This program takes from it: ").dropFirst().first)
            let list = taken.prefix { $0 != "." }.replacing("\\-", with: "-").components(separatedBy: "\\(aq")
            keys.formUnion(list.enumerated().filter { $0.offset % 2 == 1 }.map(\.element))
        }
        #expect(keys.contains("max-cost") && keys.contains("no-color"))
        try write(keys.map { "\($0) = 1\n" }.joined())
        let result = try await fixture.run(
            "hypi-ls", ["--hypivisor", "ws://127.0.0.1:9/ws"], environment: ["HYPI_TOKEN": "x"])
        #expect(result.exit == .status(69), "\(result.errors)")
    }
}
