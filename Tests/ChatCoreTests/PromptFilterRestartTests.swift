import HypiWire
import NIOCore
import Testing

@testable import ChatCore

/// What becomes of a prompt when pi, or its bridge, begins anew.
extension PromptFilterTests {
    @Test("a second welcome on the same connection takes the place of what was said; unknown frames mean nothing")
    func secondWelcome() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.begin("hello")
            agent.emit(["type": "message_start", "message": ["role": "assistant", "content": []]])
            agent.emit(FakeAgent.delta("Good "))
            agent.tell(["type": "agent_restarted"])
            agent.tell(["type": "something_new", "payload": ["type": "agent_settled"]])
            agent.tell([
                "type": "welcome", "protocolVersion": 1, "boot": "boot-2", "resumed": false, "currentSeq": 6,
                "sessionState": ["activity": "working"], "messages": .array(agent.messages),
                "partial": ["role": "assistant", "content": [["type": "text", "text": "Good d"]]],
            ])
            agent.emit(FakeAgent.delta("ay!"))
            agent.endMessage("Good day!")
            agent.settle()
        }
        let result = try await ask(agent, .init(prompt: "hello"))
        #expect(result.text == "Good day!\n")
        #expect(result.fault == nil)
    }

    @Test("a restarted bridge that has forgotten the prompt is told as such")
    func restart() async throws {
        let agent = try await fake { command, agent in
            agent.answer(command)
            agent.after(.milliseconds(20)) {
                agent.boot = "boot-2"
                agent.cut()
            }
        }
        #expect(
            try await ask(agent, .init(prompt: "x")).fault
                == .interrupted("the agent was restarted, or went to another session, before it answered"))
    }

    @Test("a prompt that a restarted bridge may have carried out is not sent twice")
    func restartBeforeAnswer() async throws {
        let agent = try await fake { _, agent in
            agent.boot = "boot-2"
            agent.cut()
        }
        #expect(
            try await ask(agent, .init(prompt: "x")).fault
                == .failed("the agent was restarted, or went to another session, before it answered"))
        #expect(agent.executed.count == 1)
    }
}
