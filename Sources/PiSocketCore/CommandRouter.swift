import DequeModule
import HypiWire
import NIOCore
import PiAdapter

/// A viewer, for as long as its connection lives.
typealias ViewerID = UInt64

/// Brings commands to pi in an order that a real pi survives, and answers back to who asked.
///
/// Every command gets an id of ours, so that ids of different viewers never collide. Prompts wait in the ``PromptQueue``
/// until nothing runs. Prompts and aborts pass a gate one at a time: the next is written once the one before was answered
/// and its run has begun, since pi drops both otherwise (records real-0.58.3, traps 3 and 4). Steering and commands of
/// extensions go to a working pi at once. Pure: events in, actions out.
///
/// ```
/// prompt            -> queue ---(nothing runs)---> gate -> pi
/// steering, abort   -> urgent -------------------> gate -> pi
/// everything else   ------------------------------------> pi
/// ```
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
        /// Whether the asker was told that its prompt waits, so that what comes now is a second answer.
        var wasQueued = false
        /// Whether it is the program at the other end of `--stdio`.
        var takesUsForPi = false
    }

    /// Why a command was sent.
    enum Purpose {
        case viewer(Asker)
        case own(OwnQuestion)
    }

    /// What the bridge itself asks pi.
    enum OwnQuestion {
        case state, stats, commands, messages, tools, gateProbe, abort, clearQueue
        /// `get_state` right after a prompt: whether pi answers it before the prompt.
        case order
        /// `get_state` after the end of a run: whether something follows.
        case end
        /// What the session has cost at the end of a run.
        case finalStats
        /// What it has cost after a compaction, or what another session has cost.
        case sessionStats
    }

    /// What pi does at the moment.
    struct Condition {
        /// A run is under way: steering reaches it.
        var isBusy = false
        /// The conversation is being summarised.
        var isCompacting = false
        /// The next prompt may be written: nothing runs, and everything about the last run is known.
        var mayBegin = true
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
        /// Show every viewer which prompts wait, and what became of one.
        case queueChanged(QueueChange)
    }

    /// What happened to the queue.
    enum QueueChange: Equatable {
        case added
        case started(id: String)
        case removed(ids: [String], reason: String)
    }

    struct Urgent {
        var command: JSONObject
        var asker: Asker
        /// The prompt that an abort is meant for, while it has not been written.
        var waitsFor: String?

        var type: String { command["type"]?.string ?? "" }
        var isPrompt: Bool { PiCommand.handling(type) == .prompt }
    }

    var ledger = CommandLedger()
    var gate = CommandGate()
    var memory = CommandMemory()
    var queue = PromptQueue()
    var urgent: Deque<Urgent> = []
    /// Commands that replace the conversation and that pi has not answered, with the newest prompt before each.
    var replacing: [String: Int] = [:]
    /// Answers to `clear_queue` that pi still owes, with the prompts that were taken back here.
    var clearing: [String: [String]] = [:]

    /// How many prompts wait here.
    var waitingCount: Int {
        queue.entries.count + urgent.count { $0.isPrompt }
    }

    // MARK: Commands

    /// A question of the bridge's own.
    mutating func ask(_ question: OwnQuestion, _ command: JSONObject) -> [Action] {
        let id = ledger.add(type: command["type"]?.string ?? "", .own(question))
        return [.write(PiCommand.line(command, id: id))]
    }

    /// A viewer's command; ``drain(_:)`` has to follow.
    ///
    /// - Parameters:
    ///   - command: As the viewer wrote it.
    ///   - asker: Who gets the answer.
    ///   - pi: What pi does.
    ///   - isOfExtension: Whether it is a prompt that an extension takes as its command.
    ///   - refusal: Why it may not be done now, if so; a repeat of one that was done is answered even then.
    /// - Returns: What is to be done, in order.
    mutating func submit(
        _ command: JSONObject, from asker: Asker, pi: Condition, isOfExtension: Bool = false, refusal: String? = nil
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
        guard urgent.count < Limits.queuedCommands, ledger.unansweredCount < 2 * Limits.queuedCommands else {
            return refuse(asker, type, "too many commands wait: try again later")
        }
        let reachesRun = pi.isBusy && !holdsPrompts(pi)
        switch PiCommand.handling(type) {
        case .prompt where reachesRun && (isOfExtension || command["streamingBehavior"]?.string == "steer"):
            urgent.append(Urgent(command: command, asker: asker))
            return []
        case .steer where !holdsPrompts(pi): return send(command, type, asker)
        case .prompt, .steer, .followUp: return enqueue(command, type, asker)
        case .abort:
            // What runs is meant; where nothing does, what is about to.
            let isForNext = !pi.isBusy && !holdsPrompts(pi) && !gate.isOfPrompt
            urgent.append(
                Urgent(command: command, asker: asker, waitsFor: isForNext ? queue.entries.first?.id : nil))
            return []
        case .clearsQueue: return clearQueue(command, type, asker)
        case .replacesSession, .changesState, .plain: return send(command, type, asker)
        }
    }

    /// A prompt that is written during a compaction, or before a new session is there, is lost or lands in the old one.
    private func holdsPrompts(_ pi: Condition) -> Bool {
        pi.isCompacting || !replacing.isEmpty
    }

    private mutating func enqueue(_ command: JSONObject, _ type: String, _ asker: Asker) -> [Action] {
        guard !queue.isFull(adding: PromptQueue.byteCount(of: command)) else {
            return refuse(asker, type, "too many prompts wait: try again later")
        }
        queue.append(command, from: asker)
        return []
    }

    mutating func send(_ command: JSONObject, _ type: String, _ asker: Asker) -> [Action] {
        let id = ledger.add(type: type, .viewer(asker))
        if PiCommand.handling(type) == .replacesSession { replacing[id] = queue.lastNumber }
        return [.sent(type), .write(PiCommand.line(command, id: id))]
    }

    /// Nothing was done, so that a repeat may be.
    mutating func refuse(_ asker: Asker, _ type: String, _ error: String) -> [Action] {
        [.refuse(memory.forget(asker), command: type, error: error)]
    }

    /// Whether a prompt was written, and whether its run has begun is not known yet.
    var isBeginning: Bool {
        gate.isBeginning
    }

    // MARK: What goes to pi

    /// Writes what may be written now; at the end of everything that happens.
    mutating func drain(_ pi: Condition) -> [Action] {
        var actions: [Action] = []
        while let next = nextUrgent(pi) {
            if next.isPrompt, !pi.isBusy {
                // The run that it was for is over.
                actions += enqueue(next.command, next.type, next.asker)
            } else {
                actions += pass(next.command, next.asker)
            }
        }
        if gate.isOpen, urgent.allSatisfy({ $0.waitsFor != nil }), pi.mayBegin, !holdsPrompts(pi),
            let entry = queue.popFirst()
        {
            var asker = entry.asker
            if entry.isAnnounced {
                asker.wasQueued = true
                actions.append(.queueChanged(.started(id: entry.id)))
            }
            actions += pass(PiCommand.asPrompt(entry.command), asker)
        }
        let new = queue.announce()
        if !new.isEmpty { actions.append(.queueChanged(.added)) }
        for entry in new { actions.append(acknowledge(entry)) }
        return actions
    }

    private mutating func nextUrgent(_ pi: Condition) -> Urgent? {
        let index = urgent.firstIndex { item in
            if let id = item.waitsFor, queue.contains(id: id) { return false }
            return gate.lets(item.isPrompt)
        }
        return index.map { urgent.remove(at: $0) }
    }

    private mutating func pass(_ command: JSONObject, _ asker: Asker) -> [Action] {
        let type = command["type"]?.string ?? ""
        var actions = send(command, type, asker)
        let id = ledger.lastID
        guard PiCommand.handling(type) == .prompt else {
            gate.closeForAbort(id)
            return actions
        }
        var orderID: String?
        if gate.asksForOrder {
            actions += ask(.order, PiCommand.getState)
            orderID = ledger.lastID
        }
        gate.closeForPrompt(id, command, orderID: orderID)
        return actions
    }

    /// The first answer to a prompt that waits: it is accepted, and will be done.
    private mutating func acknowledge(_ entry: PromptQueue.Entry) -> Action {
        let line = PiCommand.answer(
            to: entry.type, ["disposition": "queued", "queueId": .string(entry.id)])
        let answer = memory.answered(entry.asker, line)
        return .deliver(answer.asker, answer.line)
    }
}
