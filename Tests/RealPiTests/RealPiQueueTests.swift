import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// What happens while a real pi is busy.
@Suite("a busy real pi", .enabled(if: !RealPi.installed.isEmpty), .serialized)
struct RealPiQueueTests {
    private static let isText: @Sendable (JSON) -> Bool = {
        $0["payload"]?["type"] == "message_update"
            && $0["payload"]?["assistantMessageEvent"]?["type"] == "text_delta"
    }

    private static func isAnswer(_ text: String) -> @Sendable (JSON) -> Bool {
        { frame in
            let message = frame["payload"]?["message"]
            return frame["payload"]?["type"] == "message_end" && message?["role"] == "assistant"
                && message?["content"]?.array?.contains { $0["text"]?.string == text } == true
        }
    }

    @Test("an abort ends the request to the model, and the next prompt is answered", arguments: RealPi.installed)
    func abort(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, isListed: true)
        let viewer = try await lab.viewer()
        viewer.command(["type": "prompt", "message": "slow 400 50"])
        _ = try await viewer.frame("text", where: Self.isText)
        #expect(try await lab.attach(["--abort"]).exit == .status(0))
        try await lab.model.note("the end of the request") { $0["ended"] == "gone" }
        let wait = try await lab.fixture.run("hypi-ls", ["--wait", "idle", lab.agent.id, "--timeout", "10"])
        #expect(wait.exit == .status(0))
        #expect(try await lab.ask("say next").output == "next\n")
        #expect(lab.model.prompts == ["slow 400 50", "say next"])
    }

    @Test("steering is heard between two tools", arguments: RealPi.installed)
    func steer(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let viewer = try await lab.viewer()
        let script = "bash mkfifo gate && read line <gate\nsay not reached"
        viewer.command(["type": "prompt", "message": .string(script)])
        _ = try await viewer.frame("the tool") { $0["payload"]?["type"] == "tool_execution_start" }
        viewer.command(["id": "s", "type": "steer", "message": "say steered"])
        _ = try await viewer.frame("an answer") { $0["payload"]?["id"] == "s" }
        let gate = try TestProcess(
            "/bin/sh", ["-c", "until [ -p gate ]; do :; done; echo go >gate"], environment: lab.fixture.environment,
            cwd: lab.fixture.home + "/project")
        _ = try await gate.waitForExit()
        _ = try await viewer.frame("the answer", where: Self.isAnswer("steered"))
        #expect(lab.model.prompts == [script, "say steered"])
    }

    @Test("prompts that wait are answered one by one, in order", arguments: RealPi.installed)
    func queue(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, isListed: true)
        let viewer = try await lab.viewer()
        let first = "slow 40 50"
        viewer.command(["type": "prompt", "message": .string(first)])
        _ = try await viewer.frame("text", where: Self.isText)
        let later = (1...3).map { "say answer \($0)" }
        for prompt in later { viewer.command(["type": "prompt", "message": .string(prompt)]) }
        _ = try await viewer.frame("the last answer", where: Self.isAnswer("answer 3"))
        #expect(lab.model.prompts == [first] + later)
        let idle = try await lab.fixture.run("hypi-ls", ["--wait", "idle", lab.agent.id, "--timeout", "10"])
        #expect(idle.exit == .status(0))
        #expect(try await lab.node()["queued"] == 0)
    }

    @Test("a guard stops the agent before the next request, whatever waits", arguments: RealPi.installed)
    func guarded(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, ["--max-cost", "0.01"], isListed: true)
        let viewer = try await lab.viewer()
        let first = "usage 100000 10 // slow 20 50"
        viewer.command(["type": "prompt", "message": .string(first)])
        _ = try await viewer.frame("text", where: Self.isText)
        for number in 1...2 { viewer.command(["type": "prompt", "message": .string("say too much \(number)")]) }
        _ = try await viewer.frame("the guard") { $0["type"] == "guard" }
        let late = try await lab.viewer()
        #expect(late.frames.json().first?["sessionState"]?["activity"] == "blocked")
        let refused = try await lab.ask("say refused")
        #expect(refused.exit != .status(0))
        #expect(lab.model.prompts == [first])
        viewer.send(["type": "resume"])
        _ = try await viewer.frame("it may work again") { $0["type"] == "guard_resumed" }
        #expect(try await lab.ask("say free again").output == "free again\n")
        #expect(lab.model.prompts.last == "say free again")
    }
}
