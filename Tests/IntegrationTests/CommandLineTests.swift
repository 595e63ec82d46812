import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// What all programs do alike before they do anything else.
@Suite("Command lines and manuals")
struct CommandLineTests {
    static let tools = ["hypivisor", "pi-socket", "hypi-ls", "hypi-attach", "hypi-spawn", "hypi-dirs", "pi-demo"]

    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    @Test("--version is the program's name and one version", arguments: tools)
    func version(tool: String) async throws {
        let result = try await fixture.run(tool, ["--version"], environment: ["HYPIVISOR_WS": "nonsense"])
        #expect(result == (.status(0), "\(tool) \(Version.current)\n", ""))
    }

    @Test("--help fits a screen of 24 lines and 80 columns and ends with three examples", arguments: tools)
    func help(tool: String) async throws {
        let result = try await fixture.run(tool, ["--help"])
        #expect(result.exit == .status(0))
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count <= 24)
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.dropLast(3).last == "EXAMPLES:")
        #expect(lines.suffix(3).allSatisfy { $0.contains(tool) })
    }

    @Test("every option that --help-hidden explains is named by --help and by the manual", arguments: tools)
    func options(tool: String) async throws {
        let all = try await fixture.run(tool, ["--help-hidden"]).output
        let help = try await fixture.run(tool, ["--help"]).output
        let page = try await fixture.run(tool, ["--generate-manual"]).output.replacing("\\-", with: "-")
        let explained = all.split(separator: "\n").filter { $0.hasPrefix("  -") }
            .compactMap { $0.firstMatch(of: /--([a-z0-9-]+)/).map { String($0.1) } }
        #expect(explained.count >= 5)
        for option in explained {
            let isInternal = ["spawn-id", "key", "detached", "spawn-timeout"].contains(option)
            guard !isInternal || help.contains("--\(option)") else { continue }
            #expect(help.contains("--\(option)"))
            #expect(page.contains("Fl -\(option)"))
        }
    }

    @Test(
        "what is wrong with a command line is one line and status 64",
        arguments: [
            ("hypivisor", ["--nonsense"], "unknown option '--nonsense'"),
            ("hypivisor", ["--port", "99999"], "--port must be from 0 to 65535"),
            ("pi-socket", ["--nonsense"], "unknown option '--nonsense'"),
            ("pi-socket", ["stray"], "unexpected argument 'stray'"),
            (
                "pi-socket", ["--max-cost", "-1"],
                "the value '-1' is invalid for '--max-cost <usd>': expected an amount such as 2.50"
            ),
            (
                "hypi-spawn", ["--max-cost=-1", "."],
                "the value '-1' is invalid for '--max-cost <usd>': expected an amount such as 2.50"
            ),
            ("hypi-spawn", ["--max-repeats", "0", "."], "--max-repeats must be positive"),
            (
                "hypi-ls", ["--timeout", "5x"],
                "the value '5x' is invalid for '--timeout <time>': expected a time such as 250ms, 30s, 5m or 2h"
            ),
            ("hypi-ls", ["--jsno"], "unknown option '--jsno', did you mean '--json'?"),
            ("hypi-ls", ["--foo"], "unknown option '--foo'"),
            ("hypi-ls", ["--wait"], "missing value for '--wait <state>'"),
            (
                "hypi-ls", ["--status", "x"],
                "the value 'x' is invalid for '--status <status>'. Please provide one of 'active' and 'offline'"
            ),
            ("hypi-attach", ["--nonsense"], "unknown option '--nonsense'"),
            ("hypi-attach", ["--last", "--abort"], "--last and --abort exclude each other"),
            ("hypi-spawn", ["--jobs", "0"], "--jobs must be 1 to 64"),
            ("hypi-dirs", ["--depth", "0"], "--depth must be 1 to 64"),
            ("pi-demo", ["--mode", "json"], "there is no mode 'json' (only rpc)"),
        ])
    func mistakes(tool: String, arguments: [String], message: String) async throws {
        let result = try await fixture.run(tool, arguments)
        #expect(result == (.status(64), "", "\(tool): \(message) (see '\(tool) --help')\n"))
    }

    @Test("--tls-pin and --ca-file are refused where no certificate is shown, and nothing is sent there")
    func trustWithoutTLS() async throws {
        defer { fixture.cleanUp() }
        let (url, pin) = ("ws://127.0.0.1:9/ws", String(repeating: "0a", count: 32))
        for (tool, arguments) in [
            ("hypi-ls", []), ("hypi-dirs", []), ("hypi-spawn", []), ("hypi-attach", ["-p", "x", "one"]),
            ("pi-socket", ["--port", "0"]),
        ] {
            for (option, value) in [("--tls-pin", pin), ("--ca-file", "/none.pem")] {
                let result = try await fixture.run(tool, arguments + ["--hypivisor", url, option, value])
                #expect(result == (.status(64), "", "\(tool): \(option) goes with wss:// only, not with \(url)\n"))
            }
        }
        let direct = try await fixture.run("hypi-attach", ["-p", "x", "--tls-pin", pin, "ws://127.0.0.1:9"])
        #expect(direct.exit == .status(64))
        // A pin that is there for other servers is no mistake.
        let variable = try await fixture.run("hypi-ls", environment: ["HYPIVISOR_WS": url, "HYPI_TLS_PIN": pin])
        #expect(variable.exit == .status(69), "\(variable.errors)")
    }

    @Test("what cannot be printed is 74, for help, version and manual alike", arguments: tools)
    func full(tool: String) async throws {
        for option in ["--help", "--version", "--generate-manual"] {
            let shell = try TestProcess(
                "/bin/sh", ["-c", "\(tool) \(option) >/dev/full; echo $?; \(tool) \(option) >&-; echo $?"],
                environment: fixture.environment)
            #expect(try await shell.finish().output == "74\n74\n", "\(tool) \(option)")
        }
    }

    @Test("the manual page has all its parts, and neither mandoc nor man finds anything to warn of", arguments: tools)
    func page(tool: String) async throws {
        defer { fixture.cleanUp() }
        let page = try await fixture.run(tool, ["--generate-manual"], environment: ["SOURCE_DATE_EPOCH": "0"]).output
        let titles = page.split(separator: "\n").filter { $0.hasPrefix(".Sh ") }.map { $0.dropFirst(4) }
        #expect(
            titles == [
                "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES",
                "SEE ALSO",
            ])
        #expect(page.contains(".Dd January 1, 1970\n"))
        let file = fixture.home + "/\(tool).1"
        try page.write(toFile: file, atomically: true, encoding: .utf8)
        let lint = try TestProcess(
            "/usr/bin/mandoc", ["-Tlint", "-W", "warning", file], environment: fixture.environment)
        #expect(try await lint.finish() == (.status(0), "", ""))
        let man = try TestProcess(
            "/usr/bin/man", ["--warnings", "-l", file],
            environment: fixture.environment.merging(["LC_ALL": "C.UTF-8", "MANWIDTH": "80"]) { $1 })
        let shown = try await man.finish()
        #expect(shown.exit == .status(0))
        #expect(shown.errors == "")
        #expect(shown.output.contains("\(tool) — "))
        let examples = try await fixture.run(tool, ["--help"]).output.split(separator: "\n").suffix(3)
        for example in examples { #expect(shown.output.contains(example.dropFirst(2))) }
    }
}
