import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// Dialogs, commands of extensions and compactions of a real pi.
@Suite("a real pi's session", .enabled(if: !RealPi.installed.isEmpty), .serialized)
struct RealPiSessionTests {
    @Test("dialogs of a command and of a tool are answered", arguments: RealPi.installed)
    func dialogs(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let viewer = try await lab.viewer()
        for (kind, answer, result) in [
            ("confirm", "yes", "true"), ("select", "green", "\"green\""), ("input", "Ada", "\"Ada\""),
            ("editor", "Mend it", "\"Mend it\""),
        ] {
            let start = viewer.frames.all.count
            let asked = try await lab.ask("/ask \(kind)", ["--answer", answer])
            #expect(asked.exit == .status(0), "\(asked.errors)")
            _ = try await viewer.frame("what the extension got", from: start) {
                ($0["message"] ?? $0["payload"]?["message"])?.string == "answered \(result)"
            }
        }
        #expect(lab.model.requests.isEmpty)
        let tool = try await lab.ask("call ask_user {\"kind\":\"confirm\"}", ["--answer", "no"])
        #expect(tool.output == "Done. the user said false\n")
        #expect(lab.model.requests.count == 2)
    }

    @Test("commands of extensions: one that starts no run, one that does, one that throws", arguments: RealPi.installed)
    func commands(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, isListed: true)
        let start = ContinuousClock.now
        let nothing = try await lab.ask("/nothing at all")
        #expect(nothing.exit == .status(0))
        #expect(.now - start < .seconds(4 * Effort.patience))
        #expect(lab.model.requests.isEmpty)
        let sent = try await lab.ask("/send say from a command")
        #expect(sent.exit == .status(0))
        #expect(sent.output == "from a command\n")
        let thrown = try await lab.ask("/boom")
        #expect(thrown.exit == .status(1))
        #expect(lab.model.prompts == ["say from a command"])
    }

    @Test("a compaction asks the model once, and the agent works on", arguments: RealPi.installed)
    func compaction(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, isListed: true)
        let viewer = try await lab.viewer()
        for number in 1...3 {
            _ = try await lab.ask("say \(String(repeating: "a long answer ", count: 20))\(number)")
        }
        viewer.command(["id": "c", "type": "compact"])
        let answer = try await viewer.frame("the end of the compaction", timeout: .seconds(30)) {
            $0["type"] == "response" && $0["payload"]?["id"] == "c"
        }
        #expect(answer["payload"]?["success"] == true)
        #expect(lab.model.requests.filter { $0["kind"] == "summary" }.count >= 1)
        let wait = try await lab.fixture.run("hypi-ls", ["--wait", "idle", lab.agent.id, "--timeout", "10"])
        #expect(wait.exit == .status(0))
        #expect(try await lab.ask("say after it").output == "after it\n")
    }
}
