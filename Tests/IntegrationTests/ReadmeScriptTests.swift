import Foundation
import HypiTestSupport
import Testing

@Suite("Scripting examples of the README", .timeLimit(.minutes(2 * Effort.patience)))
struct ReadmeScriptTests {
    /// The examples of the section, with what their last line is expected to say.
    private static let expectations = [
        "summary.txt": "> Summarise this:",
        "--answer y": "confirm: true",
        "--jobs 4": "/src/web: ",
        "--jsonl-in": #"{"input":"#,
        "--no-wait": "Tidy up.",
        "grep -o heron": "heron",
    ]

    private func examples() throws -> [String] {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../README.md"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "### In scripts\n").last)
        let blocks = try #require(section.components(separatedBy: "\n### ").first).components(separatedBy: "```sh\n")
        return blocks.dropFirst().compactMap { $0.components(separatedBy: "\n```").first }
    }

    @Test("each runs as it stands, and says what it is there to say")
    func run() async throws {
        let examples = try examples()
        #expect(examples.count == Self.expectations.count)
        for example in examples {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let (hypivisor, _) = try await fixture.startHypivisor()
            for name in ["api", "web"] { _ = try await fixture.startAgent(cwd: try fixture.makeFolder("src/" + name)) }
            _ = try await fixture.run("hypi-ls", ["--wait", "idle", "api", "web", "--timeout", "20"])
            let shell = try TestProcess(
                "/bin/bash", ["-euo", "pipefail", "-c", example], environment: fixture.environment,
                cwd: fixture.home + "/src/api")
            let result = try await shell.finish(timeout: .seconds(30))
            #expect(result.exit == .status(0), "\(example)\n\(result.output)\n\(result.errors)")
            let expected = try #require(Self.expectations.first { example.contains($0.key) }, "\(example)")
            let said = result.output + result.errors
            #expect(said.contains(expected.value), "\(example)\n\(said)")
            hypivisor.signal(SIGTERM)
        }
    }
}
