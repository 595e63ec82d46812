import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// `-p "$(cat spec.md)"` with front matter, a list item, a negative number: the argument parser takes such text for options.
@Suite("Values that begin with a dash", .timeLimit(.minutes(2 * Effort.patience)))
struct DashedValueTests {
    @Test("a prompt may begin with a dash, be an option's name, and stand before or after other options")
    func prompts() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(cwd: try fixture.makeFolder("project"))
        for text in ["- item", "-1", "--help", "--stop", "---\ntitle: x\n---\nDo it.", "-p", "--prompt=x"] {
            for words in [["-p", text, "\(agent.url)"], ["\(agent.url)", "--timeout", "20s", "--prompt", text]] {
                let result = try await fixture.run("hypi-attach", words)
                #expect(result.exit == .status(0), "\(words): \(result.errors)")
                let first = text.split(separator: "\n").first.map(String.init) ?? text
                #expect(result.output.contains("> \(first)"), "\(words): \(result.output)")
            }
        }
        let asked = try await fixture.run("hypi-attach", ["-p", "/ask input", "\(agent.url)"])
        #expect(asked.exit == .status(75))
        let answered = try await fixture.run("hypi-attach", ["--answer", "-1", "\(agent.url)"])
        #expect(answered.exit == .status(0), "\(answered.errors)")
        #expect(try await fixture.run("hypi-attach", ["-p"]).exit == .status(64))
        #expect(try await fixture.run("hypi-attach", ["-p", "--"]).exit == .status(64))
        agent.process.signal(SIGTERM)
    }

    @Test("the other programs take names, keys and prompts that begin with a dash")
    func spawn() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let folder = try fixture.makeFolder("project")
        let result = try await fixture.run(
            "hypi-spawn", ["--name", "-name", "--key", "--key", "--prompt", "- item", folder])
        #expect(result.exit == .status(0), "\(result.errors)")
        let node = try JSON(parsing: result.output.split(separator: "\n").map(String.init).joined())
        #expect(node["name"] == "-name" && node["key"] == "--key")
        let last = try await fixture.run("hypi-attach", ["--last", "--timeout", "20s", "project"])
        #expect(last.output.contains("> - item"), "\(last)")
        #expect(try await fixture.run("hypi-ls", ["--name", "-name"]).output.contains("\"-name\""))
    }
}
