import HypiWire
import NIOCore
import Synchronization
import Testing

@testable import ChatCore

@Suite("A prompt in a script", .timeLimit(.minutes(1)))
struct PromptFilterTests {
    /// What a filter printed, said, and how it ended.
    struct Result: Sendable {
        var text = ""
        var pieces: [String] = []
        var notes: [String] = []
        var fault: AgentFault?
    }

    func ask(_ agent: FakeAgent, _ options: PromptFilter.Options) async throws -> Result {
        let result = Mutex(Result())
        let output = FilterOutput(
            write: { bytes in
                result.withLock {
                    $0.pieces.append(String(decoding: bytes, as: UTF8.self))
                    $0.text += String(decoding: bytes, as: UTF8.self)
                }
            }, note: { note in result.withLock { $0.notes.append(note) } })
        let filter = PromptFilter(options, on: agent.connection(), output: output)
        do {
            try await filter.run()
        } catch let fault as AgentFault {
            result.withLock { $0.fault = fault }
        }
        try await agent.stop()
        return result.withLock { $0 }
    }

    /// Answers `get_state` and hands prompts to the body.
    func fake(_ onPrompt: @escaping FakeAgent.Script) async throws -> FakeAgent {
        try await FakeAgent.start { command, agent in
            switch command["type"]?.string {
            case "prompt": onPrompt(command, agent)
            case "get_state":
                agent.answer(command, ["success": true, "data": ["isStreaming": false, "isCompacting": false]])
            default: break
            }
        }
    }

    @Test("the answer comes delta by delta and ends with one line break")
    func answerStreams() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.run("hello", ["Good ", "day", "!"])
        }
        let result = try await ask(agent, .init(prompt: "hello"))
        #expect(result.pieces == ["Good ", "day", "!", "\n"])
        #expect(result.fault == nil)
        #expect(result.notes.isEmpty)
    }

    @Test("texts of several messages stand on lines of their own")
    func severalMessages() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("work")
            agent.answerMessage(["I look."], stop: "toolUse")
            agent.answerMessage(["Done."])
            agent.settle()
        }
        #expect(try await ask(agent, .init(prompt: "work")).text == "I look.\nDone.\n")
    }

    @Test("a refusal is a failure with pi's words, also when an acceptance follows it")
    func refusal() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command, ["success": false, "error": "No API key"])
            agent.answer(command)
        }
        #expect(try await ask(agent, .init(prompt: "x")).fault == .failed("No API key"))
    }

    @Test("a failure after the acceptance is a failure")
    func lateRefusal() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.answer(command, ["success": false, "error": "No API key"])
        }
        #expect(try await ask(agent, .init(prompt: "x")).fault == .failed("No API key"))
    }

    @Test("an error of the model is a failure, and what came before it stays printed")
    func modelError() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("x")
            agent.answerMessage(["half "], stop: "error", error: "529 overloaded")
            agent.settle()
        }
        let result = try await ask(agent, .init(prompt: "x"))
        #expect(result.text == "half \n")
        #expect(result.fault == .failed("529 overloaded"))
    }

    @Test("before 0.84 a retry after agent_end belongs to the answer")
    func retryOfOldPi() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("x")
            agent.answerMessage([], stop: "error", error: "529")
            agent.emit(["type": "agent_end", "messages": []])
            agent.emit(["type": "auto_retry_start", "attempt": 1])
            agent.after(.milliseconds(50)) {
                agent.emit(["type": "agent_start"])
                agent.answerMessage(["It worked."])
                agent.emit(["type": "auto_retry_end", "success": true, "attempt": 1])
                agent.emit(["type": "agent_end", "messages": []])
            }
        }
        let result = try await ask(agent, .init(prompt: "x"))
        #expect(result.text == "It worked.\n")
        #expect(result.fault == nil)
    }

    @Test("only the answer to our own prompt is printed while others talk too")
    func othersTurns() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.answerMessage(["theirs"])
            agent.user("mine")
            agent.answerMessage(["ours"])
            agent.user("more of theirs")
            agent.answerMessage(["theirs again"])
            agent.settle()
        }
        agent.activity = "working"
        #expect(try await ask(agent, .init(prompt: "mine")).text == "ours\n")
    }

    @Test("a steering message of somebody else does not cut our answer off")
    func steering() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("mine")
            agent.answerMessage(["one"], stop: "toolUse")
            agent.user("shorter please")
            agent.answerMessage(["two"])
            agent.settle()
        }
        #expect(try await ask(agent, .init(prompt: "mine")).text == "one\ntwo\n")
    }

    @Test("a slash command of an extension ends without a run, its notifications are remarks")
    func extensionCommand() async throws {
        let agent = try await fake { command, agent in
            agent.emitDialog(["id": "n", "method": "notify", "message": "done it", "notifyType": "info"])
            agent.answer(command)
        }
        agent.commands = [["name": "do", "source": "extension"]]
        let result = try await ask(agent, .init(prompt: "/do it"))
        #expect(result.fault == nil)
        #expect(result.text.isEmpty)
        #expect(result.notes == ["done it"])
    }

    @Test("a question that nobody answers ends the filter with the question")
    func question() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("x")
            agent.emitDialog(["id": "d", "method": "select", "title": "Which?", "options": ["a", "b"]])
        }
        let fault = try await ask(agent, .init(prompt: "x")).fault
        guard case .needsAnswer(let dialog) = fault else {
            Issue.record("no question: \(String(describing: fault))")
            return
        }
        #expect(dialog.summary == "Which? [a | b]")
    }

    @Test("a question is answered as told, by number or text, the rest refused")
    func answers() async throws {
        let agent = try await FakeAgent.start { command, agent in
            switch command["type"]?.string {
            case "prompt":
                agent.answer(command)
                agent.begin("x")
                agent.emitDialog(["id": "d1", "method": "select", "title": "Which?", "options": ["a", "b"]])
            case "extension_ui_response" where command["id"] == "d1":
                agent.emitDialog(["id": "d2", "method": "confirm", "title": "Sure?", "message": "really"])
                agent.answerMessage([command["value"]?.string ?? "none"], stop: "toolUse")
            case "extension_ui_response":
                agent.answerMessage([command["confirmed"]?.bool == false ? "refused" : "what"])
                agent.settle()
            default: break
            }
        }
        let policy = DialogPolicy(answers: ["2"], denies: true)
        #expect(try await ask(agent, .init(prompt: "x", policy: policy)).text == "b\nrefused\n")
    }

    @Test("nothing is sent while a question is open")
    func openQuestion() async throws {
        let agent = try await fake { _, _ in Issue.record("a prompt was sent") }
        agent.pending = [["id": "d", "method": "confirm", "title": "Sure?"]]
        let fault = try await ask(agent, .init(prompt: "x")).fault
        #expect(fault == .needsAnswer(try #require(DialogRequest(agent.pending[0]))))
    }

    @Test("with --no-wait the acceptance is enough")
    func noWait() async throws {
        let agent = try await fake { command, agent in agent.answer(command) }
        let result = try await ask(agent, .init(prompt: "x", waits: false))
        #expect(result.fault == nil)
        #expect(result.text.isEmpty)
    }

    @Test("pi's end is a failure that names its last words")
    func agentExit() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("x")
            agent.tell(["type": "agent_exit", "code": 1, "stderr": "a\nboom\n", "restarting": false])
        }
        #expect(try await ask(agent, .init(prompt: "x")).fault == .failed("pi ended with status 1: boom"))
    }

    @Test("records come out as pi wrote them")
    func records() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.run("x", ["yes"])
        }
        let lines = try await ask(agent, .init(prompt: "x", printsRecords: true)).text.split(separator: "\n")
        #expect(lines.contains(#"{"type":"agent_start"}"#))
        #expect(lines.last == #"{"type":"agent_settled"}"#)
        #expect(lines.first?.contains(#""command":"prompt","success":true"#) == true)
    }

    @Test("an answer of 2,000 deltas over a connection that breaks every 50 is whole", arguments: [false, true])
    func brokenConnection(forgets: Bool) async throws {
        let deltas = (0..<2000).map { "\($0) é🙂\($0 % 9 == 0 ? "\n" : " ")" }
        let agent = try await fake { command, agent in
            // pi's answer to the prompt is lost with the connection.
            agent.cut()
            agent.begin("long")
            agent.activity = "working"
            agent.emit(["type": "message_start", "message": ["role": "assistant", "content": []]])
            stream(deltas[...], "", agent)
        }
        agent.cutAfter = 50
        agent.forgets = forgets
        let result = try await ask(agent, .init(prompt: "long"))
        #expect(result.fault == nil)
        #expect(result.text == deltas.joined() + (deltas.last?.hasSuffix("\n") == true ? "" : "\n"))
        #expect(agent.executed.filter { $0["type"] == "prompt" }.count == 1)
        // An agent that forgets says everything so far in one frame, so few connections may do.
        #expect(agent.helloCount > (forgets ? 1 : 3))
    }
}

/// Streams deltas a few at a time, so that connections break in their midst; the acceptance comes late.
private func stream(_ rest: ArraySlice<String>, _ text: String, _ agent: FakeAgent) {
    guard !rest.isEmpty else {
        agent.partial = nil
        agent.endMessage(text)
        agent.activity = "idle"
        return agent.settle()
    }
    var text = text
    for delta in rest.prefix(20) {
        agent.emit(FakeAgent.delta(delta))
        text += delta
    }
    agent.partial = ["role": "assistant", "content": [["type": "text", "text": .string(text)]]]
    let (rest, said) = (rest.dropFirst(20), text)
    agent.after(.milliseconds(2)) { stream(rest, said, agent) }
}
