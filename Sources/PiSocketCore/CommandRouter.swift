import DequeModule
import HypiWire
import NIOCore
import PiAdapter

/// A viewer, for as long as its connection lives.
typealias ViewerID = UInt64

/// Brings commands to pi in an order that a real pi survives, and answers back to who asked.
///
/// Every command gets an id of ours, so that ids of different viewers never collide. Prompts and aborts pass a gate one
/// at a time: the next is written once the one before was answered and its run has begun, since pi drops both otherwise
/// (records real-0.58.3, traps 3 and 4). Whether an extension command begins a run is not said by any event, so after a
/// successful answer without `agent_start` pi is asked with `get_state`. Pure: events in, actions out.
struct CommandRouter {
    /// Who waits for an answer.
    struct Asker {
        var viewer: ViewerID
        /// The name the client gave itself; scopes ``clientMessageID``.
        var clientID = ""
        /// The raw id of the viewer's command; `nil` where it had none.
        var originalID: ByteBuffer?
        /// The viewer's name for the command, under which a repeat is recognised.
        var clientMessageID: String?
    }

    /// Why a command was sent.
    enum Purpose {
        case viewer(Asker)
        case own(OwnQuestion)
    }

    /// What the bridge itself asks pi.
    enum OwnQuestion {
        case state, stats, commands, messages, tools, gateProbe, abort
        /// What the session has cost at the end of a run.
        case finalStats
    }

    /// What is to be done now.
    enum Action {
        /// Write a line to pi.
        case write(ByteBuffer)
        /// Tell the tracker that a command went out.
        case sent(String)
        /// Ask `get_state` for the gate, after a moment where `isLater`.
        case probe(isLater: Bool)
        /// Answer a viewer without asking pi.
        case refuse(Asker, command: String, error: String)
        /// Give a viewer pi's answer.
        case deliver(Asker, ByteBuffer)
    }

    private struct Waiting {
        var command: JSONObject
        var type: String
        var asker: Asker
    }

    private enum Gate {
        case open
        case closed(id: String, isAnswered: Bool, probes: Int)
    }

    /// Probes after which a prompt that began no run is taken for an extension command.
    private static let probeLimit = 2

    private var ledger = CommandLedger()
    private var gate = Gate.open
    /// Whether the gate was closed behind a prompt, and not an abort.
    private var isGateOfPrompt = false
    private var waiting: Deque<Waiting> = []
    private var memory = CommandMemory()

    /// How many prompts wait at the gate.
    var waitingCount: Int {
        waiting.count { PiCommand.handling($0.type) == .prompt }
    }

    // MARK: Commands

    /// A question of the bridge's own.
    mutating func ask(_ question: OwnQuestion, _ command: JSONObject) -> [Action] {
        let id = ledger.add(type: command["type"]?.string ?? "", .own(question))
        return [.write(PiCommand.line(command, id: id))]
    }

    /// A viewer's command.
    ///
    /// - Parameters:
    ///   - command: As the viewer wrote it.
    ///   - asker: Who gets the answer.
    ///   - isBusy: Whether a run is under way.
    ///   - refusal: Why it may not be done now, if so; a repeat of one that was done is answered even then.
    /// - Returns: What is to be done, in order.
    mutating func submit(
        _ command: JSONObject, from asker: Asker, isBusy: Bool, refusal: String? = nil
    ) -> [Action] {
        let type = command["type"]?.string ?? ""
        if !PiCommand.isQuery(type) {
            switch memory.recall(asker) {
            case .new: break
            case .underWay: return []
            case .answered(let answer): return [.deliver(asker, answer)]
            }
        }
        if let refusal { return refuse(asker, type, refusal) }
        guard waiting.count < Limits.queuedCommands, ledger.unansweredCount < 2 * Limits.queuedCommands else {
            return refuse(asker, type, "too many commands wait: try again later")
        }
        switch PiCommand.handling(type) {
        case .prompt, .abort:
            waiting.append(Waiting(command: command, type: type, asker: asker))
            return drain()
        case .replacesSession, .changesState, .plain:
            return send(command, type, asker)
        }
    }

    private mutating func send(_ command: JSONObject, _ type: String, _ asker: Asker) -> [Action] {
        let id = ledger.add(type: type, .viewer(asker))
        return [.sent(type), .write(PiCommand.line(command, id: id))]
    }

    /// Nothing was done, so that a repeat may be.
    private mutating func refuse(_ asker: Asker, _ type: String, _ error: String) -> [Action] {
        [.refuse(memory.forget(asker), command: type, error: error)]
    }

    /// Whether a prompt was written, and whether its run has begun is not known yet.
    var isBeginning: Bool {
        if case .closed = gate { isGateOfPrompt } else { false }
    }

    private mutating func drain() -> [Action] {
        var actions: [Action] = []
        while case .open = gate, let next = waiting.popFirst() {
            actions += send(next.command, next.type, next.asker)
            gate = .closed(id: ledger.lastID, isAnswered: false, probes: 0)
            isGateOfPrompt = PiCommand.handling(next.type) == .prompt
        }
        return actions
    }

    /// Prompts that have not been written yet are not to be: a guard has stopped the agent, or it ends.
    mutating func refuseWaiting(_ error: String) -> [Action] {
        let prompts = waiting.filter { PiCommand.handling($0.type) == .prompt }
        waiting.removeAll { PiCommand.handling($0.type) == .prompt }
        return prompts.flatMap { refuse($0.asker, $0.type, error) }
    }

    // MARK: Answers

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
    mutating func answered(_ response: PiResponse, isBusy: Bool) -> Answer? {
        switch ledger.take(response) {
        case .unknown: return nil
        case .repeated(let type): return Answer(type: type, question: nil, actions: [])
        case .answer(let id, let type, .own(let question)):
            return Answer(type: type, question: question, actions: passGate(id, type, response, isBusy: isBusy))
        case .answer(let id, let type, .viewer(let asker)):
            let answer = memory.answered(asker, response.line)
            return Answer(
                type: type, question: nil,
                actions: [.deliver(answer.asker, answer.line)] + passGate(id, type, response, isBusy: isBusy))
        }
    }

    private mutating func passGate(
        _ id: String, _ type: String, _ response: PiResponse, isBusy: Bool
    ) -> [Action] {
        guard case .closed(id, _, let probes) = gate else { return [] }
        if !response.success || isBusy || PiCommand.handling(type) == .abort {
            gate = .open
            return drain()
        }
        gate = .closed(id: id, isAnswered: true, probes: probes)
        return [.probe(isLater: false)]
    }

    /// A run has begun.
    mutating func runBegan() -> [Action] {
        guard case .closed(_, true, _) = gate else { return [] }
        gate = .open
        return drain()
    }

    /// `get_state` answered the gate's question.
    mutating func probed(isBusy: Bool) -> [Action] {
        guard case .closed(let id, true, let probes) = gate else { return [] }
        if isBusy || probes >= Self.probeLimit {
            gate = .open
            return drain()
        }
        gate = .closed(id: id, isAnswered: true, probes: probes + 1)
        return [.probe(isLater: true)]
    }

    /// pi is gone: whoever waits is told so, and nothing is sent again.
    mutating func piExited() -> [Action] {
        let queued = waiting
        waiting = []
        gate = .open
        var actions: [Action] = []
        for (type, asker) in ledger.removeAll() {
            // pi may have done it: a repeat is answered the same and not done again.
            let answer = memory.answered(asker, PiCommand.refusal(of: type, "pi exited before it answered"))
            actions.append(.deliver(answer.asker, answer.line))
        }
        return actions + queued.flatMap { refuse($0.asker, $0.type, "pi exited before it was asked") }
    }
}
