import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite("Output of peers on terminals and in pipes", .timeLimit(.minutes(2 * Effort.patience)))
struct TerminalOutputTests {
    /// What a model says: the clipboard, a title, C1, a bidirectional override.
    private static let text = "ok \u{1B}]52;c;cm0=\u{7}\u{1B}]0;title\u{1B}\\\u{9B}31m\u{1B}[2J\u{202E}done"

    /// Bytes that a terminal would obey.
    private static func controls(in text: String) -> [String] {
        text.unicodeScalars.filter { scalar in
            switch scalar.value {
            case 0x0A, 0x0D: false
            case 0..<0x20, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
            default: false
            }
        }.map { String($0.value, radix: 16) }
    }

    @Test("every mode prints the agent's bytes into a pipe, and nothing that a terminal would obey on one")
    func everyMode() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("pro\u{9B}31mject"))
        let name = try await fixture.run("hypi-attach", ["-p", Self.text, agent.id])
        #expect(name.output.contains(Self.text), "a pipe gets the bytes as they are")
        for words in [
            ["-p", Self.text], ["-p", Self.text, "--json"], ["--last"], ["-p", "/ask editor", "--json"],
        ] {
            let shown = try await fixture.start(
                "hypi-attach", words + [agent.id], terminal: .size(columns: 200, rows: 24)
            ).finish()
            #expect(Self.controls(in: shown.output).isEmpty, "\(words): \(shown.output.debugDescription)")
            #expect(words.contains("--json") || shown.output.contains("ok done"), "\(shown.output.debugDescription)")
            #expect(!shown.output.contains("title") || words.contains("--json"))
        }
        for (program, words) in [
            ("hypi-ls", ["--json"]), ("hypi-ls", ["-q"]), ("hypi-dirs", ["--json", fixture.home]),
        ] {
            let shown = try await fixture.start(program, words, terminal: .size(columns: 200, rows: 24)).finish()
            #expect(!shown.output.isEmpty && Self.controls(in: shown.output).isEmpty, "\(program) \(words)")
            let piped = try await fixture.run(program, words)
            if words != ["-q"] { #expect(piped.output.contains("pro\u{9B}31mject"), "\(program) \(words)") }
        }
        agent.process.signal(SIGTERM)
    }
}
