import HypiWire
import NIOCore
import PiAdapter
import Testing

@testable import PiSocketCore

/// Commands reach pi in an order that it survives, and answers reach who asked.
@Suite("CommandRouter") struct CommandRouterTests {
    private let asker = CommandRouter.Asker(viewer: 1, originalID: ByteBuffer(string: "7"))
    private let prompt: JSONObject = ["type": "prompt", "message": "hello"]

    private func response(
        _ id: String?, _ command: String, success: Bool = true
    ) throws -> PiResponse {
        var json: JSONObject = [:]
        json["id"] = id.map(JSON.string)
        json["type"] = "response"
        json["command"] = .string(command)
        json["success"] = .bool(success)
        return try #require(PiRecord(line: JSON.object(json).buffer).flatMap(PiResponse.init))
    }

    /// Actions as words: what is written by type and id, who is answered.
    private func words(_ actions: [CommandRouter.Action]) -> [String] {
        actions.compactMap { action in
            switch action {
            case .write(let line):
                let json = try? JSON(parsing: line)
                return "\(json?["type"]?.string ?? "?") \(json?["id"]?.string ?? "?")"
            case .sent: return nil
            case .probe(let isLater): return isLater ? "probe later" : "probe"
            case .refuse(let asker, let command, let error): return "refuse \(asker.viewer) \(command): \(error)"
            case .deliver(let asker, let line): return "deliver \(asker.viewer) \(String(buffer: line))"
            }
        }
    }

    private func submit(_ router: inout CommandRouter, _ command: JSONObject, busy: Bool = false) -> [String] {
        words(router.submit(command, from: asker, isBusy: busy))
    }

    @Test("a second prompt waits until the first was answered and its run has begun") func gate() throws {
        var router = CommandRouter()
        #expect(submit(&router, prompt) == ["prompt h1"])
        #expect(submit(&router, prompt).isEmpty)
        #expect(router.waitingCount == 1)
        let answer = try #require(router.answered(try response("h1", "prompt"), isBusy: false))
        #expect(words(answer.actions).last == "probe")
        #expect(words(router.runBegan()) == ["prompt h2"])
    }

    @Test("a run that began before the answer opens the gate with the answer") func beganFirst() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        #expect(router.runBegan().isEmpty)
        let answer = try #require(router.answered(try response("h1", "prompt"), isBusy: true))
        #expect(words(answer.actions).last == "prompt h2")
    }

    @Test("even during a run one prompt is answered before the next is written") func busy() throws {
        var router = CommandRouter()
        #expect(submit(&router, prompt, busy: true) == ["prompt h1"])
        #expect(submit(&router, prompt, busy: true).isEmpty)
        let answer = try #require(router.answered(try response("h1", "prompt"), isBusy: true))
        #expect(words(answer.actions).last == "prompt h2")
    }

    @Test("an abort goes out behind its prompt's run, and a prompt behind the abort's answer") func abort() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        #expect(submit(&router, PiCommand.abort).isEmpty)
        #expect(submit(&router, prompt).isEmpty)
        _ = router.answered(try response("h1", "prompt"), isBusy: false)
        #expect(words(router.runBegan()) == ["abort h2"])
        let answer = try #require(router.answered(try response("h2", "abort"), isBusy: true))
        #expect(words(answer.actions).last == "prompt h3")
    }

    @Test("a command of an extension begins no run: pi's state opens the gate") func extensionCommand() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        _ = router.answered(try response("h1", "prompt"), isBusy: false)
        #expect(words(router.probed(isBusy: false)) == ["probe later"])
        #expect(words(router.probed(isBusy: false)) == ["probe later"])
        #expect(words(router.probed(isBusy: false)) == ["prompt h2"])
    }

    @Test("a refused prompt opens the gate") func refused() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        let answer = try #require(router.answered(try response("h1", "prompt", success: false), isBusy: false))
        #expect(words(answer.actions).last == "prompt h2")
    }

    @Test("of two answers to a prompt a false is passed on and a late true is not") func twice() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        let no = try #require(router.answered(try response("h1", "prompt", success: false), isBusy: false))
        #expect(words(no.actions).contains { $0.contains("\"success\":false") })
        #expect(try #require(router.answered(try response("h1", "prompt"), isBusy: false)).actions.isEmpty)
        #expect(try router.answered(response("h1", "prompt"), isBusy: false) == nil)

        _ = submit(&router, prompt)
        _ = router.answered(try response("h2", "prompt"), isBusy: false)
        let late = try #require(router.answered(try response("h2", "prompt", success: false), isBusy: false))
        #expect(words(late.actions).contains { $0.hasPrefix("deliver 1") })
    }

    @Test("a failure without id goes to the oldest command that fails so") func nameless() throws {
        var router = CommandRouter()
        _ = submit(&router, ["type": "get_state"])
        _ = submit(&router, ["type": "fork", "entryId": "no"])
        _ = submit(&router, ["type": "compact"])
        #expect(try router.answered(response(nil, "parse", success: false), isBusy: false)?.type == "fork")
        #expect(try router.answered(response(nil, "parse", success: false), isBusy: false)?.type == "compact")
        #expect(try router.answered(response(nil, "parse", success: false), isBusy: false) == nil)
        _ = submit(&router, ["type": "strange"])
        #expect(try router.answered(response(nil, "strange", success: false), isBusy: false)?.type == "strange")
        // A success without id is nobody's.
        #expect(try router.answered(response(nil, "get_state"), isBusy: false) == nil)
    }

    @Test("an answer to an id that we did not give is nobody's") func stranger() throws {
        var router = CommandRouter()
        #expect(try router.answered(response("h1", "prompt"), isBusy: false) == nil)
    }

    @Test("a slow command gets its answer behind a thousand others") func slow() throws {
        var router = CommandRouter()
        _ = submit(&router, ["type": "bash", "command": "sleep 100"])
        for number in 2...1001 {
            _ = submit(&router, ["type": "get_state"])
            _ = router.answered(try response("h\(number)", "get_state"), isBusy: false)
        }
        #expect(try router.answered(response("h1", "bash"), isBusy: false)?.type == "bash")
    }

    @Test("beyond the bound commands are refused") func bound() {
        var router = CommandRouter()
        for _ in 0..<2 * Limits.queuedCommands { _ = submit(&router, ["type": "get_state"]) }
        #expect(submit(&router, ["type": "get_state"]).first?.hasPrefix("refuse 1 get_state") == true)
    }

    @Test("a repeated clientMessageId is answered again and not done again") func repeated() throws {
        var router = CommandRouter()
        let first = CommandRouter.Asker(viewer: 1, clientID: "c", clientMessageID: "m")
        let again = CommandRouter.Asker(viewer: 2, clientID: "c", clientMessageID: "m")
        let other = CommandRouter.Asker(viewer: 3, clientID: "d", clientMessageID: "m")
        #expect(words(router.submit(prompt, from: first, isBusy: true)) == ["prompt h1"])
        #expect(router.submit(prompt, from: again, isBusy: true).isEmpty)
        let answer = try #require(router.answered(try response("h1", "prompt"), isBusy: true))
        #expect(words(answer.actions).first?.hasPrefix("deliver 2") == true)
        #expect(words(router.submit(prompt, from: again, isBusy: true)).first?.hasPrefix("deliver 2") == true)
        // Another client's message may have the same name.
        #expect(words(router.submit(prompt, from: other, isBusy: true)) == ["prompt h2"])
    }

    @Test("a command that was refused may be sent again; one that pi may have done may not") func forgotten() throws {
        var router = CommandRouter()
        let asker = CommandRouter.Asker(viewer: 1, clientID: "c", clientMessageID: "m")
        let refused = router.submit(prompt, from: asker, isBusy: false, refusal: "blocked")
        #expect(words(refused) == ["refuse 1 prompt: blocked"])
        #expect(words(router.submit(prompt, from: asker, isBusy: false)) == ["prompt h1"])
        let waiting = CommandRouter.Asker(viewer: 1, clientID: "c", clientMessageID: "n")
        _ = router.submit(prompt, from: waiting, isBusy: false)
        let end = words(router.piExited())
        #expect(end.count == 2)
        #expect(end.first?.contains("pi exited before it answered") == true)
        #expect(words(router.submit(prompt, from: asker, isBusy: false)).first?.hasPrefix("deliver 1") == true)
        #expect(words(router.submit(prompt, from: waiting, isBusy: false)).first?.hasPrefix("prompt") == true)
    }

    @Test("prompts that wait are refused when the agent stops, aborts are not") func refuseWaiting() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        _ = submit(&router, PiCommand.abort)
        #expect(words(router.refuseWaiting("stopping")) == ["refuse 1 prompt: stopping"])
        _ = router.answered(try response("h1", "prompt"), isBusy: false)
        #expect(words(router.runBegan()) == ["abort h2"])
    }
}
