import Foundation
import HypiTestSupport
import Testing

/// The completion scripts that are checked in are what the programs would write now (`make completions`).
@Suite("Completions")
struct CompletionTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../completions").standardizedFileURL.path

    @Test(
        "the scripts that are checked in are those the programs generate",
        arguments: ["hypivisor", "pi-socket", "hypi-ls", "hypi-attach", "hypi-spawn", "hypi-dirs", "pi-demo"],
        ["bash", "zsh", "fish"])
    func areCurrent(tool: String, shell: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let name = shell == "zsh" ? "_\(tool)" : "\(tool).\(shell)"
        let generated = try await fixture.run(tool, ["--generate-completion-script", shell])
        let checkedIn = try String(contentsOfFile: Self.folder + "/" + name, encoding: .utf8)
        #expect(generated.exit == .status(0))
        #expect(generated.output == checkedIn, "run 'make completions'")
    }
}
