import HypiWire
import NIOCore
import PiAdapter

/// What pi answers, and to whom it belongs.
extension CommandRouter {
    /// What an answer turns out to be.
    struct Answer {
        var type: String
        var question: OwnQuestion?
        var actions: [Action]
    }

    /// Whether an id is the one of a question of ours that pi has not answered.
    func isAsking(_ question: OwnQuestion, as id: String) -> Bool {
        if case .own(question) = ledger.purpose(of: id) { true } else { false }
    }

    /// Who waits for the answer to a command with an id of ours.
    func asker(of id: String) -> Asker? {
        if case .viewer(let asker) = ledger.purpose(of: id) { asker } else { nil }
    }

    /// pi's answer to something; `nil` for one that nobody asked.
    mutating func answered(_ response: PiResponse, pi: Condition) -> Answer? {
        switch ledger.take(response) {
        case .unknown: return nil
        case .repeated(let type): return Answer(type: type, question: nil, actions: [])
        case .answer(let id, let type, .own(let question)):
            if question == .order { gate.orderAnswered(id) }
            return Answer(type: type, question: question, actions: [])
        case .answer(let id, let type, .viewer(let asker)):
            let line = completed(response.line, of: id, success: response.success)
            let actions =
                gate.answered(id, asker, line, success: response.success, pi) ?? [.deliver(asker, line)]
            return Answer(
                type: type, question: nil, actions: remember(actions) + replaced(id, type, response))
        }
    }

    /// A run has begun.
    mutating func runBegan() -> [Action] {
        remember(gate.runBegan())
    }

    /// `get_state` answered the gate's question.
    mutating func probed(_ pi: Condition) -> [Action] {
        remember(gate.probed(pi))
    }

    /// Answers that go out now are given again to a repeat; a newer connection of the asker gets them.
    mutating func remember(_ actions: [Action]) -> [Action] {
        actions.map { action in
            guard case .deliver(let asker, let line) = action else { return action }
            let answer = memory.answered(asker, line)
            return .deliver(answer.asker, answer.line)
        }
    }
}
