import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// The hooks in the README do what is said of them.
@Suite("The README's hooks") struct PiSocketHookRecipeTests {
    /// The lines that set HYPI_HOOK, by the comment above each.
    private static func recipes() throws -> [(title: String, line: String)] {
        let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("README.md")
        let lines = try String(contentsOf: readme, encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false
        ).map(String.init)
        return zip(lines, lines.dropFirst()).filter { $1.hasPrefix("export HYPI_HOOK=") }.map { ($0, $1) }
    }

    /// Programs of these names that only note how they were called.
    private func makeStubs(_ fixture: Fixture, _ names: [String]) throws -> String {
        let folder = try fixture.makeFolder("stubs")
        for name in names {
            let path = folder + "/" + name
            try "#!/bin/sh\necho \"\(name) $*\" >>\(fixture.home)/calls\n"
                .write(toFile: path, atomically: true, encoding: .utf8)
            chmod(path, 0o755)
        }
        return folder
    }

    /// Runs an agent through a run, a question and a crash with a recipe as a person would set it.
    private func calls(_ line: String, name: String) async throws -> (calls: [String], log: String, cwd: String) {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let stubs = try makeStubs(fixture, ["notify-send", "curl", "tmux"])
        let path = "\(stubs):\(Fixture.executables):/usr/bin:/bin"
        let script = fixture.home + "/start.sh"
        try "\(line)\nexec \(Fixture.executable("pi-socket")) \"$@\"\n"
            .write(toFile: script, atomically: true, encoding: .utf8)
        let process = try TestProcess(
            "/bin/sh", [script, "--standalone", "--port", "0", "--id", "worker", "--name=\(name)"],
            environment: fixture.environment.merging(["PATH": path]) { $1 }, cwd: fixture.home)
        let ready = try JSON(parsing: try await process.line(0))
        let url = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) })
        let viewer = try await Viewer(url, token: try fixture.token())
        viewer.send("hello")
        _ = try await viewer.frame("the end of the run") { $0["type"] == "agent_settled" }
        viewer.send("/ask confirm")
        let dialog = try await viewer.frame("a dialog") { $0["method"] == "confirm" }
        viewer.send(["type": "extension_ui_response", "id": dialog["id"] ?? .null, "confirmed": true])
        _ = try await viewer.frame("the dialog's end") { $0["type"] == "extension_ui_resolved" }
        viewer.send("/crash")
        _ = try await viewer.frame("pi is back") { $0["type"] == "agent_restarted" }
        kill(process.pid, SIGTERM)
        let end = try await process.finish()
        #expect(end.exit == .status(0))
        let calls = (try? String(contentsOfFile: fixture.home + "/calls", encoding: .utf8)) ?? ""
        return (calls.split(separator: "\n").map(String.init), end.errors, fixture.home)
    }

    @Test(
        "a desktop notification, a phone and tmux get the text as it is, whatever the name, and no hook fails",
        arguments: ["worker", "-x", "@secret", "#(touch pwned)", "$(touch pwned)`touch pwned`;touch pwned"])
    func recipes(name: String) async throws {
        let recipes = try Self.recipes()
        #expect(recipes.map(\.title) == ["# A desktop notification", "# A phone, by ntfy", "# A message in tmux"])
        for (title, line) in recipes {
            let (calls, log, cwd) = try await calls(line, name: name)
            let expected =
                switch title {
                case "# A desktop notification": ["notify-send -- \(name) asks in \(cwd)"]
                case "# A phone, by ntfy":
                    ["settled", "input-required", "error"].map {
                        "curl -fsS --data-raw \(name): \($0) https://ntfy.sh/my-secret-topic"
                    }
                default:
                    ["ready", "settled", "input-required", "error", "exit"].map {
                        "tmux display-message -- \(name.replacingOccurrences(of: "#", with: "##")): \($0)"
                    }
                }
            #expect(calls == expected, "\(title)")
            #expect(!log.contains("hook"), "\(title): \(log)")
        }
    }
}
