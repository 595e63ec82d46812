import Foundation
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// Single turns with each installed pi.
@Suite("a real pi takes turns", .enabled(if: !RealPi.installed.isEmpty), .serialized)
struct RealPiTurnTests {
    @Test("a prompt is answered, the agent is idle soon after, and its cost is known", arguments: RealPi.installed)
    func prompt(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, isListed: true)
        let start = ContinuousClock.now
        let answer = try await lab.ask("think about it // usage 1000 100 // say hello there")
        #expect(answer.output == "hello there\n")
        #expect(answer.exit == .status(0) && answer.errors.isEmpty)
        let wait = try await lab.fixture.run("hypi-ls", ["--wait", "idle", lab.agent.id, "--timeout", "5"])
        #expect(wait.exit == .status(0))
        // The bound of the bridge's own guesses, which a whole turn must not come near.
        #expect(.now - start < .seconds(5 * Effort.patience))
        #expect(lab.model.prompts.count == 1)
        let node = try await lab.node()
        #expect(node["activity"] == "idle")
        #expect(node["model"] == "scripted/script")
        let cost = try #require(node["cost"]?.double)
        #expect(abs(cost - 0.0045) < 0.000001)
    }

    @Test("tools run, and each of their results is one request to the model", arguments: RealPi.installed)
    func tools(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let viewer = try await lab.viewer()
        let answer = try await lab.ask(
            """
            bash echo one >note; cat note
            read note // write other two
            edit other two three
            say finished
            """)
        #expect(answer.output == "finished\n")
        #expect(lab.model.requests.map { $0["line"] } == [0, 1, 2, 3])
        #expect(try String(contentsOfFile: lab.fixture.home + "/project/other", encoding: .utf8) == "three")
        let names = viewer.frames.json().filter { $0["payload"]?["type"] == "tool_execution_end" }
            .compactMap { $0["payload"]?["toolName"]?.string }
        // Tools of one answer may end in any order.
        #expect(names.sorted() == ["bash", "edit", "read", "write"])
    }

    @Test("an image reaches the model", arguments: RealPi.installed)
    func images(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let viewer = try await lab.viewer()
        let pixel =
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        viewer.command([
            "type": "prompt", "message": "what is this",
            "images": [["type": "image", "data": .string(pixel), "mimeType": "image/png"]],
        ])
        _ = try await viewer.frame("the answer") {
            $0["payload"]?["type"] == "message_end" && $0["payload"]?["message"]?["role"] == "assistant"
        }
        #expect(lab.model.requests.map { $0["images"] } == [1])
    }

    @Test("a failure that passes is tried again; one that stays is told and is exit 1", arguments: RealPi.installed)
    func failures(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let retried = try await lab.ask("error 503 1 // say at last")
        #expect(retried.exit == .status(0))
        #expect(retried.output == "at last\n")
        #expect(lab.model.requests.count == 2)
        let refused = try await lab.ask("error 401")
        #expect(refused.exit == .status(1))
        #expect(refused.errors.contains("401"))
        #expect(lab.model.requests.count == 3)
    }

    @Test("every viewer gets what pi writes, byte for byte", arguments: RealPi.installed)
    func bytes(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi)
        let viewers = [try await lab.viewer(), try await lab.viewer()]
        for prompt in ["think hm // say été 🦩 \\n\"quoted\" \\\\", "bash seq 1 200\nsay done", "error 401"] {
            _ = try await lab.ask(prompt)
        }
        let written = RecordStream.written(try await lab.end())
        #expect(written.count > 20)
        for viewer in viewers {
            try await viewer.wait("the end") { $0.closure != nil }
            #expect(RecordStream.difference(written, RecordStream.received(viewer.frames)) == nil)
        }
    }
}
