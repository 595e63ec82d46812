import DequeModule
import HypiWire
import NIOCore
import PiAdapter

/// A viewer, for as long as its connection lives.
typealias ViewerID = UInt64

/// Brings commands to pi in an order that a real pi survives, and answers back to who asked.
///
/// Every command gets an id of ours, so that ids of different viewers never collide. Prompts pass a gate one at a time:
/// the next is written once the one before was answered and its run has begun, and an abort waits likewise, since pi
/// drops both otherwise (records real-0.58.3, traps 3 and 4). Whether an extension command begins a run is not said by
/// any event, so after a successful answer without `agent_start` pi is asked with `get_state`. Pure: events in, actions
/// out.
struct CommandRouter {
    /// Who waits for an answer.
    struct Asker {
        var viewer: ViewerID
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
        case state, stats, commands, messages, gateProbe, abort
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

    private struct Pending {
        var type: String
        var purpose: Purpose
        var isAnswered = false
    }

    private struct Waiting {
        var command: JSONObject
        var purpose: Purpose
    }

    private enum Gate {
        case open
        case closed(id: String, isAnswered: Bool, probes: Int)
    }

    private var lastID = 0
    private var pending: [String: Pending] = [:]
    private var order: Deque<String> = []
    private var gate = Gate.open
    private var waiting: Deque<Waiting> = []
    private var memory = CommandMemory()

    // MARK: Commands

    /// A question of the bridge's own.
    mutating func ask(_ question: OwnQuestion, _ command: JSONObject) -> [Action] {
        [.write(register(command, .own(question)))]
    }

    /// A viewer's command; `isBusy` says that a run is under way, so that a prompt is queued by pi and begins none.
    mutating func submit(_ command: JSONObject, from asker: Asker, isBusy: Bool) -> [Action] {
        if let id = asker.clientMessageID {
            switch memory.recall(id, asker) {
            case .new: break
            case .underWay: return []
            case .answered(let answer): return [.deliver(asker, answer)]
            }
        }
        let type = command["type"]?.string ?? ""
        switch PiCommand.handling(type) {
        case .prompt, .abort:
            guard waiting.count < Limits.queuedCommands else {
                return [.refuse(asker, command: type, error: "too many prompts wait: try again later")]
            }
            waiting.append(Waiting(command: command, purpose: .viewer(asker)))
            return drain(isBusy: isBusy)
        case .replacesSession, .changesState, .plain:
            return [.sent(type), .write(register(command, .viewer(asker)))]
        }
    }

    private mutating func drain(isBusy: Bool) -> [Action] {
        var actions: [Action] = []
        while case .open = gate, let next = waiting.popFirst() {
            let type = next.command["type"]?.string ?? ""
            let line = register(next.command, next.purpose)
            actions += [.sent(type), .write(line)]
            if PiCommand.handling(type) == .prompt, !isBusy {
                gate = .closed(id: "h\(lastID)", isAnswered: false, probes: 0)
            }
        }
        return actions
    }

    private mutating func register(_ command: JSONObject, _ purpose: Purpose) -> ByteBuffer {
        lastID += 1
        let id = "h\(lastID)"
        pending[id] = Pending(type: command["type"]?.string ?? "", purpose: purpose)
        order.append(id)
        trimAnswered()
        return PiCommand.line(command, id: id)
    }

    // MARK: Answers

    /// What an answer turns out to be.
    struct Answer {
        var type: String
        var question: OwnQuestion?
        var actions: [Action]
    }

    /// pi's answer to something; `nil` for one that nobody asked.
    mutating func answered(_ response: PiResponse, isBusy: Bool) -> Answer? {
        guard let id = response.id.flatMap({ pending[$0] == nil ? nil : $0 }) ?? idOfNameless(response),
            var entry = pending[id]
        else { return nil }
        // A prompt may be answered twice. `false` then `true`: it was not done, and the second is dropped; `true` then
        // `false`: it was not done either, and that is passed on.
        if entry.isAnswered, response.success || entry.type != "prompt" {
            return Answer(type: entry.type, question: nil, actions: [])
        }
        entry.isAnswered = true
        let keepsForSecondAnswer = entry.type == "prompt"
        pending[id] = keepsForSecondAnswer ? entry : nil
        var actions: [Action] = []
        switch entry.purpose {
        case .own(let question):
            return Answer(type: entry.type, question: question, actions: [])
        case .viewer(let asker):
            let answer = memory.answered(asker, response.line)
            actions.append(.deliver(answer.asker, answer.line))
        }
        actions += passGate(id, success: response.success, isBusy: isBusy)
        return Answer(type: entry.type, question: nil, actions: actions)
    }

    private mutating func passGate(_ id: String, success: Bool, isBusy: Bool) -> [Action] {
        guard case .closed(id, _, let probes) = gate else { return [] }
        if !success || isBusy {
            gate = .open
            return drain(isBusy: isBusy)
        }
        gate = .closed(id: id, isAnswered: true, probes: probes)
        return [.probe(isLater: false)]
    }

    /// A run has begun.
    mutating func runBegan() -> [Action] {
        guard case .closed(_, let isAnswered, _) = gate else { return [] }
        guard isAnswered else { return [] }
        gate = .open
        return drain(isBusy: true)
    }

    /// `get_state` answered the gate's question.
    mutating func probed(isBusy: Bool) -> [Action] {
        guard case .closed(let id, true, let probes) = gate else { return [] }
        if isBusy || probes >= 2 {
            gate = .open
            return drain(isBusy: isBusy)
        }
        gate = .closed(id: id, isAnswered: true, probes: probes + 1)
        return [.probe(isLater: true)]
    }

    /// pi is gone: whoever waits is told so, and nothing is sent again.
    mutating func piExited() -> [Action] {
        let askers = order.compactMap { id in pending[id].flatMap { $0.isAnswered ? nil : ($0.type, $0.purpose) } }
        let queued = waiting.map { ($0.command["type"]?.string ?? "", $0.purpose) }
        pending = [:]
        order = []
        waiting = []
        gate = .open
        return (askers + queued).compactMap { type, purpose in
            guard case .viewer(let asker) = purpose else { return nil }
            return .refuse(asker, command: type, error: "pi exited before it answered")
        }
    }

    /// Whether prompts wait at the gate.
    var waitingCount: Int {
        waiting.count
    }

    /// An answer without id: the oldest command that fails so, of the type pi names where it names one.
    private func idOfNameless(_ response: PiResponse) -> String? {
        guard response.id == nil, !response.success else { return nil }
        return order.first { id in
            guard let entry = pending[id], !entry.isAnswered else { return false }
            if let command = response.command, command != "parse" { return entry.type == command }
            return PiCommand.failsWithoutID(entry.type)
        }
    }

    /// Forgets commands that are done, and of prompts that may be answered a second time all but the newest.
    private mutating func trimAnswered() {
        while let oldest = order.first, pending[oldest] == nil || order.count > 2 * Limits.queuedCommands {
            pending[oldest] = nil
            order.removeFirst()
        }
    }
}

/// The last commands by their `clientMessageId`, so that one that is sent again after a lost connection is answered
/// again and not done again.
struct CommandMemory {
    /// What is known of a command.
    enum Recollection {
        case new
        /// It was sent before and its answer is still to come; it will go to the new asker.
        case underWay
        case answered(ByteBuffer)
    }

    private enum Entry {
        case underWay(CommandRouter.Asker)
        case answered(ByteBuffer)
    }

    private var entries: [String: Entry] = [:]
    private var order: Deque<String> = []

    /// Looks a command up and remembers it from now on.
    mutating func recall(_ id: String, _ asker: CommandRouter.Asker) -> Recollection {
        switch entries[id] {
        case .answered(let line): return .answered(line)
        case .underWay:
            entries[id] = .underWay(asker)
            return .underWay
        case nil:
            entries[id] = .underWay(asker)
            order.append(id)
            if order.count > Limits.rememberedCommands, let oldest = order.popFirst() { entries[oldest] = nil }
            return .new
        }
    }

    /// Remembers an answer; says who waits for it now.
    mutating func answered(
        _ asker: CommandRouter.Asker, _ line: ByteBuffer
    ) -> (asker: CommandRouter.Asker, line: ByteBuffer) {
        guard let id = asker.clientMessageID, let entry = entries[id] else { return (asker, line) }
        entries[id] = .answered(line)
        if case .underWay(let newest) = entry { return (newest, line) }
        return (asker, line)
    }
}
