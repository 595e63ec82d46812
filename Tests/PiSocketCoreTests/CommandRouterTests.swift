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
        _ id: String?, _ command: String, success: Bool = true, data: JSON? = nil
    ) throws -> PiResponse {
        var json: JSONObject = [:]
        json["id"] = id.map(JSON.string)
        json["type"] = "response"
        json["command"] = .string(command)
        json["success"] = .bool(success)
        json["data"] = data
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
            case .deliver(let asker, let line):
                let json = try? JSON(parsing: line)
                let data = json?["success"]?.bool == true ? json?["data"] : nil
                let told = [data?["disposition"]?.string, data?["queueId"]?.string].compactMap { $0 }
                return "deliver \(asker.viewer) "
                    + (told.isEmpty ? String(buffer: line) : told.joined(separator: " "))
            case .queueChanged(.added): return "queue added"
            case .queueChanged(.started(let id)): return "queue started \(id)"
            case .queueChanged(.removed(let ids, _)): return "queue removed \(ids.joined(separator: " "))"
            }
        }
    }

    private func condition(busy: Bool = false, compacting: Bool = false) -> CommandRouter.Condition {
        CommandRouter.Condition(isBusy: busy, isCompacting: compacting, mayBegin: !busy && !compacting)
    }

    private func submit(_ router: inout CommandRouter, _ command: JSONObject, busy: Bool = false) -> [String] {
        submit(&router, command, from: asker, busy: busy)
    }

    private func submit(
        _ router: inout CommandRouter, _ command: JSONObject, from asker: CommandRouter.Asker, busy: Bool = false,
        compacting: Bool = false, isOfExtension: Bool = false
    ) -> [String] {
        let pi = condition(busy: busy, compacting: compacting)
        return words(router.submit(command, from: asker, pi: pi, isOfExtension: isOfExtension) + router.drain(pi))
    }

    /// pi's answer and what follows it; questions about the order of answers are left out.
    private func answer(
        _ router: inout CommandRouter, _ id: String, _ command: String, success: Bool = true, busy: Bool = false,
        compacting: Bool = false, data: JSON? = nil
    ) throws -> [String] {
        let pi = condition(busy: busy, compacting: compacting)
        let response = try response(id, command, success: success, data: data)
        let answer = router.answered(response, pi: pi)
        return words(try #require(answer).actions + router.drain(pi))
    }

    private func rest(_ router: inout CommandRouter) -> [String] {
        words(router.drain(condition()))
    }

    /// pi as of 0.79 answers a question that was asked after a prompt before the prompt.
    private func answerOrder(_ router: inout CommandRouter, _ id: String) throws {
        _ = try answer(&router, id, "get_state")
    }

    // MARK: Turns

    @Test("a second prompt waits until nothing runs, and its sender is told so at once") func turns() throws {
        var router = CommandRouter()
        #expect(submit(&router, prompt) == ["prompt h1", "get_state h2"])
        #expect(submit(&router, prompt) == ["queue added", "deliver 1 queued q2"])
        #expect(submit(&router, prompt) == ["queue added", "deliver 1 queued q3"])
        #expect(router.waitingCount == 2)
        #expect(try answer(&router, "h1", "prompt") == ["probe"])
        #expect(words(router.runBegan()) == ["deliver 1 started"])
        #expect(words(router.drain(condition(busy: true))).isEmpty)
        #expect(rest(&router).prefix(2) == ["queue started q2", "prompt h3"])
        #expect(router.waitingCount == 1)
        // The second answer says what became of it.
        _ = try answer(&router, "h3", "prompt")
        #expect(words(router.runBegan()) == ["deliver 1 started"])
        #expect(rest(&router).first == "queue started q3")
    }

    @Test("steering and commands of extensions reach a working pi at once, and one at a time") func urgent() throws {
        var router = CommandRouter()
        let steer: JSONObject = ["type": "prompt", "message": "now", "streamingBehavior": "steer"]
        #expect(submit(&router, prompt, busy: true) == ["queue added", "deliver 1 queued q1"])
        #expect(submit(&router, steer, busy: true).first == "prompt h1")
        #expect(submit(&router, steer, busy: true).isEmpty)
        let answer = try answer(&router, "h1", "prompt", busy: true)
        #expect(answer.prefix(2) == ["deliver 1 queued", "prompt h3"])
        _ = try self.answer(&router, "h3", "prompt", busy: true)
        let slash: JSONObject = ["type": "prompt", "message": "/x"]
        let command = submit(&router, slash, from: asker, busy: true, isOfExtension: true)
        #expect(command.first == "prompt h5")
        #expect(try self.answer(&router, "h5", "prompt", busy: true) == ["deliver 1 handled"])
        #expect(router.waitingCount == 1)
    }

    @Test("a follow_up waits like a prompt and is written as one") func followUp() throws {
        var router = CommandRouter()
        #expect(submit(&router, ["type": "follow_up", "message": "x"], busy: true).last == "deliver 1 queued q1")
        #expect(rest(&router).prefix(2) == ["queue started q1", "prompt h1"])
    }

    @Test("an abort goes out after its prompt's run has begun, and the next prompt after the abort's answer")
    func abort() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        #expect(submit(&router, PiCommand.abort).isEmpty)
        _ = submit(&router, prompt)
        _ = try answer(&router, "h1", "prompt")
        #expect(words(router.runBegan() + router.drain(condition(busy: true))) == ["deliver 1 started", "abort h3"])
        #expect(rest(&router).isEmpty)
        #expect(try answer(&router, "h3", "abort").contains("prompt h4"))
    }

    @Test("an abort of a prompt that is about to be written waits for it; a second abort waits for nothing")
    func abortBeforeTheRun() throws {
        var router = CommandRouter()
        var between = condition()
        between.mayBegin = false
        _ = router.submit(prompt, from: asker, pi: between) + router.drain(between)
        #expect(words(router.submit(PiCommand.abort, from: asker, pi: between) + router.drain(between)).isEmpty)
        #expect(rest(&router).contains("prompt h1"))
        _ = try answer(&router, "h1", "prompt")
        #expect(words(router.runBegan() + router.drain(condition(busy: true))).last == "abort h3")
        #expect(submit(&router, PiCommand.abort, busy: true) == ["abort h4"])
    }

    // MARK: What becomes of a prompt

    @Test("what pi says of a prompt is passed on, and opens the gate", arguments: ["started", "queued", "handled"])
    func disposition(_ disposition: String) throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        let answer = try answer(&router, "h1", "prompt", data: ["disposition": .string(disposition)])
        #expect(answer.first == "deliver 1 \(disposition)")
        #expect(router.isBeginning == (disposition == "started"))
        _ = submit(&router, prompt)
        if disposition == "started" {
            #expect(words(router.runBegan()).isEmpty)
        } else if disposition == "handled" {
            #expect(words(router.probed(condition())).isEmpty)
        }
        #expect(router.waitingCount == (disposition == "queued" ? 0 : 1))
        _ = rest(&router)
        #expect(router.waitingCount == 0)
    }

    @Test("of a pi that answers late one get_state decides; its sender is told that the prompt was handled")
    func late() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        try answerOrder(&router, "h2")
        #expect(try answer(&router, "h1", "prompt") == ["probe"])
        let next = words(router.probed(condition()) + router.drain(condition()))
        #expect(next == ["deliver 1 handled", "queue started q2", "prompt h3"])
        // It is known from now on.
        #expect(try answer(&router, "h3", "prompt") == ["probe"])
        #expect(words(router.probed(condition())) == ["deliver 1 handled"])
    }

    @Test("a pi that answers early is asked again after a moment") func early() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        #expect(try answer(&router, "h1", "prompt") == ["probe"])
        try answerOrder(&router, "h2")
        #expect(words(router.probed(condition())) == ["probe later"])
        #expect(words(router.probed(condition())) == ["probe later"])
        #expect(words(router.probed(condition())) == ["deliver 1 handled"])
    }

    @Test("a refused prompt lets the next one through") func refused() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        let answer = try answer(&router, "h1", "prompt", success: false)
        #expect(answer.contains("prompt h3"))
    }

    @Test("of two answers to a prompt a false is passed on and a late true is not") func twice() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        #expect(try answer(&router, "h1", "prompt", success: false).first?.contains("\"success\":false") == true)
        #expect(try answer(&router, "h1", "prompt").isEmpty)
        #expect(try router.answered(response("h1", "prompt"), pi: condition()) == nil)

        _ = submit(&router, prompt)
        _ = try answer(&router, "h3", "prompt")
        #expect(try answer(&router, "h3", "prompt", success: false).first?.hasPrefix("deliver 1") == true)
        #expect(words(router.probed(condition())).isEmpty)
    }

    // MARK: Holding back and taking back

    @Test("a prompt during a compaction is held until pi has answered it", arguments: [false, true])
    func compaction(isTold: Bool) throws {
        var router = CommandRouter()
        let steer: JSONObject = ["type": "prompt", "message": "now", "streamingBehavior": "steer"]
        if !isTold { #expect(submit(&router, ["type": "compact"]) == ["compact h1"]) }
        for command in [prompt, steer, ["type": "steer", "message": "now"]] {
            let told = submit(&router, command, from: asker, busy: true, compacting: isTold)
            #expect(told.first == "queue added" && told.last?.hasPrefix("deliver 1 queued") == true)
        }
        if !isTold {
            #expect(rest(&router).isEmpty)
            #expect(try answer(&router, "h1", "compact", success: false).contains("queue started q1"))
        } else {
            #expect(rest(&router).contains("queue started q1"))
        }
    }

    @Test("an abort of a compaction that pi does not end says so") func abortOfCompaction() throws {
        var router = CommandRouter()
        let compacting = condition(compacting: true)
        #expect(submit(&router, PiCommand.abort, from: asker, compacting: true) == ["abort h1"])
        #expect(try answer(&router, "h1", "abort", compacting: true) == ["probe"])
        #expect(words(router.probed(compacting)) == ["probe later"])
        var ended = router
        #expect(words(ended.probed(condition())).first?.contains("\"success\":true") == true)
        #expect(words(router.probed(compacting)) == ["probe later"])
        #expect(words(router.probed(compacting)).first?.contains("cannot end a compaction") == true)
    }

    @Test("another session takes no prompt that waited for the one before, and gets those that came later")
    func session() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt, busy: true)
        #expect(submit(&router, ["type": "new_session"], busy: true) == ["new_session h1"])
        _ = submit(&router, prompt, busy: true)
        let after = try answer(&router, "h1", "new_session")
        #expect(after.contains("queue removed q1"))
        #expect(after.contains("queue started q2"))
        // One that an extension has prevented changes nothing.
        _ = submit(&router, prompt, busy: true)
        _ = submit(&router, ["type": "new_session"], busy: true)
        _ = try answer(&router, "h4", "new_session", busy: true, data: ["cancelled": true])
        #expect(router.waitingCount == 1)
    }

    @Test("a waiting prompt can be taken back by its name; its sender is told") func takeBack() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt, busy: true)
        _ = submit(&router, ["type": "prompt", "message": "two"], busy: true)
        let removed = router.remove(id: "q1")
        let taken = try #require(removed)
        #expect(taken.command["message"] == "hello")
        #expect(words(taken.actions).first == "queue removed q1")
        #expect(words(taken.actions).last?.contains("taken back") == true)
        #expect(router.remove(id: "q1") == nil)
        #expect(rest(&router).contains("queue started q2"))
    }

    @Test("clear_queue takes back what waits here and in pi, and works with a pi that does not know it")
    func clearQueue() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt, busy: true)
        #expect(submit(&router, PiCommand.clearQueue, busy: true).suffix(1) == ["clear_queue h1"])
        let both = try answer(
            &router, "h1", "clear_queue", busy: true, data: ["steering": ["s"], "followUp": ["theirs"]])
        #expect(both.first?.contains(#""steering":["s"],"followUp":["theirs","hello"]"#) == true)
        _ = submit(&router, prompt, busy: true)
        _ = submit(&router, PiCommand.clearQueue, busy: true)
        let old = try answer(&router, "h2", "clear_queue", success: false, busy: true)
        #expect(old.first?.contains(#""success":true"#) == true && old.first?.contains(#"["hello"]"#) == true)
    }

    @Test("prompts in the queue outlive a pi that is started again, and are refused when none follows")
    func restart() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        let crash = words(router.piExited(isRestarting: true))
        #expect(crash.count == 1 && crash.first?.contains("pi exited before it answered") == true)
        #expect(rest(&router).prefix(2) == ["queue started q2", "prompt h3"])
        _ = submit(&router, prompt)
        let end = words(router.piExited())
        #expect(end.contains("queue removed q3"))
        #expect(end.last?.contains("pi exited before it was asked") == true)
        #expect(router.waitingCount == 0)
    }

    @Test("a failure without id goes to the oldest command that fails so") func nameless() throws {
        var router = CommandRouter()
        _ = submit(&router, ["type": "get_state"])
        _ = submit(&router, ["type": "fork", "entryId": "no"])
        _ = submit(&router, ["type": "compact"])
        #expect(try router.answered(response(nil, "parse", success: false), pi: condition())?.type == "fork")
        #expect(try router.answered(response(nil, "parse", success: false), pi: condition())?.type == "compact")
        #expect(try router.answered(response(nil, "parse", success: false), pi: condition()) == nil)
        _ = submit(&router, ["type": "strange"])
        #expect(try router.answered(response(nil, "strange", success: false), pi: condition())?.type == "strange")
        // A success without id is nobody's.
        #expect(try router.answered(response(nil, "get_state"), pi: condition()) == nil)
    }

    @Test("an answer to an id that we did not give is nobody's") func stranger() throws {
        var router = CommandRouter()
        #expect(try router.answered(response("h1", "prompt"), pi: condition()) == nil)
    }

    @Test("a slow command gets its answer behind a thousand others") func slow() throws {
        var router = CommandRouter()
        _ = submit(&router, ["type": "bash", "command": "sleep 100"])
        for number in 2...1001 {
            _ = submit(&router, ["type": "get_state"])
            _ = router.answered(try response("h\(number)", "get_state"), pi: condition())
        }
        #expect(try router.answered(response("h1", "bash"), pi: condition())?.type == "bash")
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
        #expect(submit(&router, prompt, from: first).first == "prompt h1")
        #expect(submit(&router, prompt, from: again).isEmpty)
        #expect(try answer(&router, "h1", "prompt", busy: true) == ["deliver 2 started"])
        #expect(submit(&router, prompt, from: again, busy: true) == ["deliver 2 started"])
        // Another client's message may have the same name.
        #expect(submit(&router, prompt, from: other).first == "prompt h3")
    }

    @Test("a command that was refused may be sent again; one that pi may have done may not") func forgotten() throws {
        var router = CommandRouter()
        let asker = CommandRouter.Asker(viewer: 1, clientID: "c", clientMessageID: "m")
        let refused = router.submit(prompt, from: asker, pi: condition(), refusal: "blocked")
        #expect(words(refused) == ["refuse 1 prompt: blocked"])
        #expect(submit(&router, prompt, from: asker).first == "prompt h1")
        let end = words(router.piExited())
        #expect(end.count == 1)
        #expect(end.first?.contains("pi exited before it answered") == true)
        #expect(submit(&router, prompt, from: asker).first?.hasPrefix("deliver 1") == true)
    }

    @Test("an answer that is kept back goes out when pi ends") func heldAtTheEnd() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = try answer(&router, "h1", "prompt")
        #expect(words(router.piExited()).first?.contains(#""success":true"#) == true)
    }

    @Test("prompts that wait are refused when the agent stops, aborts are not") func refuseWaiting() throws {
        var router = CommandRouter()
        _ = submit(&router, prompt)
        _ = submit(&router, prompt)
        _ = submit(&router, PiCommand.abort)
        let refused = words(router.refuseWaiting("stopping"))
        #expect(refused.first == "queue removed q2" && refused.last?.contains("stopping") == true)
        _ = try answer(&router, "h1", "prompt")
        #expect(words(router.runBegan() + router.drain(condition(busy: true))).contains("abort h3"))
    }

    @Test("too many prompts, or too many bytes of them, are refused") func promptBound() {
        var router = CommandRouter()
        for _ in 0..<Limits.queuedCommands { _ = submit(&router, prompt, busy: true) }
        #expect(submit(&router, prompt, busy: true) == ["refuse 1 prompt: too many prompts wait: try again later"])
        router = CommandRouter()
        let long: JSONObject = ["type": "prompt", "message": .string(String(repeating: "é", count: 20 << 20))]
        _ = submit(&router, long, busy: true)
        #expect(submit(&router, long, busy: true).first?.hasPrefix("refuse 1 prompt") == true)
        #expect(submit(&router, prompt, busy: true).first == "queue added")
        // What viewers see is cut between two characters.
        let shown = router.queue.list.first
        #expect(shown?["message"]?.string?.utf8.count == PromptQueue.excerptBytes && shown?["truncated"] == true)
    }
}
