import HypiWire
import NIOCore
import PiAdapter

/// What lets prompts and aborts through to pi one at a time.
///
/// A pi from 0.99 on says what became of a prompt (`disposition`). From 0.79 on an older one answers a prompt once an
/// extension has handled it or its run is about to begin, so that the next `get_state` is decisive; before, it answers at
/// once. Which of the two a pi does is observed: a `get_state` that was written right after the prompt and is answered
/// before it shows a pi that answers late. Pure.
struct CommandGate {
    /// A prompt that was written.
    struct Prompt {
        var id: String
        /// Whether its text begins like a command of an extension.
        var isSlash: Bool
        var isSteering: Bool
        var orderID: String?
        /// pi's answer, while what became of the prompt is not known.
        var held: (asker: CommandRouter.Asker, line: ByteBuffer)?
        var isAnswered = false
        /// Whether pi has said that no run follows, so that the agent does not count as working.
        var isHandled = false
        var isKnown = false
        var probes = 0
    }

    /// An abort that was written.
    struct Abort {
        var id: String
        var held: (asker: CommandRouter.Asker, line: ByteBuffer)?
        var probes = 0
    }

    private enum State {
        case open
        case prompt(Prompt)
        case abort(Abort)
    }

    /// Probes after which a prompt that began no run is taken for an extension command.
    private static let probeLimit = 2

    private var state = State.open
    /// Whether this pi answers a prompt only when it knows what becomes of it.
    private var answersLate = false

    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    var isOfPrompt: Bool {
        if case .prompt = state { true } else { false }
    }

    /// Whether a prompt was written, and whether its run has begun is not known yet.
    var isBeginning: Bool {
        if case .prompt(let prompt) = state { !prompt.isHandled } else { false }
    }

    /// Whether an urgent command may be written; one abort more does no harm.
    func lets(_ isPrompt: Bool) -> Bool {
        switch state {
        case .open: true
        case .abort: !isPrompt
        case .prompt: false
        }
    }

    var asksForOrder: Bool {
        !answersLate
    }

    mutating func closeForPrompt(_ id: String, _ command: JSONObject, orderID: String?) {
        state = .prompt(
            Prompt(
                id: id, isSlash: command["message"]?.string?.hasPrefix("/") == true,
                isSteering: command["streamingBehavior"]?.string == "steer", orderID: orderID))
    }

    mutating func closeForAbort(_ id: String) {
        state = .abort(Abort(id: id))
    }

    /// The question after a prompt was answered.
    mutating func orderAnswered(_ id: String) {
        if case .prompt(let prompt) = state, prompt.orderID == id, !prompt.isAnswered { answersLate = true }
    }

    // MARK: Answers

    /// pi's answer to a viewer's command.
    ///
    /// - Returns: What is to be done; `nil` if the gate has no part in it.
    mutating func answered(
        _ id: String, _ asker: CommandRouter.Asker, _ line: ByteBuffer, success: Bool, _ pi: CommandRouter.Condition
    ) -> [CommandRouter.Action]? {
        switch state {
        case .prompt(var prompt) where prompt.id == id:
            guard success else {
                state = .open
                return nil
            }
            prompt.isAnswered = true
            return accepted(&prompt, asker, line, pi)
        case .abort(var abort) where abort.id == id:
            guard success, pi.isCompacting else {
                state = .open
                return nil
            }
            abort.held = (asker, line)
            state = .abort(abort)
            return [.probe(isLater: false)]
        default: return nil
        }
    }

    private mutating func accepted(
        _ prompt: inout Prompt, _ asker: CommandRouter.Asker, _ line: ByteBuffer, _ pi: CommandRouter.Condition
    ) -> [CommandRouter.Action] {
        switch line.value(of: "data")?.value(of: "disposition").map({ String(buffer: $0) }) {
        case "\"queued\"":
            state = .open
            return [.deliver(asker, line)]
        case let disposition?:
            prompt.isHandled = disposition == "\"handled\""
            prompt.isKnown = true
            state = pi.isBusy ? .open : .prompt(prompt)
            // A handled command may begin a run of its own, which the next prompt must not meet.
            return [.deliver(asker, line)] + (pi.isBusy ? [] : [.probe(isLater: false)])
        case nil:
            // A program that takes us for pi gets what pi says, when it says it.
            if !asker.takesUsForPi { prompt.held = (asker, line) }
            let now: [CommandRouter.Action] = asker.takesUsForPi ? [.deliver(asker, line)] : []
            guard pi.isBusy else {
                state = .prompt(prompt)
                return now + [.probe(isLater: false)]
            }
            state = .open
            return now + deliver(prompt, prompt.isSteering ? "queued" : prompt.isSlash ? "handled" : "started")
        }
    }

    private func deliver(_ prompt: Prompt, _ disposition: String) -> [CommandRouter.Action] {
        guard let held = prompt.held else { return [] }
        return [.deliver(held.asker, PiCommand.adding(disposition: disposition, to: held.line))]
    }

    /// A run has begun.
    mutating func runBegan() -> [CommandRouter.Action] {
        guard case .prompt(let prompt) = state, prompt.isAnswered else { return [] }
        state = .open
        return deliver(prompt, "started")
    }

    /// `get_state` answered the gate's question.
    mutating func probed(_ pi: CommandRouter.Condition) -> [CommandRouter.Action] {
        switch state {
        case .open: return []
        case .prompt(var prompt):
            guard prompt.isAnswered else { return [] }
            if pi.isBusy { return runBegan() }
            let isDecided = answersLate || (prompt.isKnown && prompt.isHandled) || prompt.probes >= Self.probeLimit
            guard isDecided else {
                prompt.probes += 1
                state = .prompt(prompt)
                return [.probe(isLater: true)]
            }
            state = .open
            return deliver(prompt, "handled")
        case .abort(var abort):
            guard let held = abort.held else { return [] }
            guard pi.isCompacting else {
                state = .open
                return [.deliver(held.asker, held.line)]
            }
            guard abort.probes >= Self.probeLimit else {
                abort.probes += 1
                state = .abort(abort)
                return [.probe(isLater: true)]
            }
            state = .open
            return [.deliver(held.asker, PiCommand.refusal(of: "abort", Self.compactionContinues))]
        }
    }

    /// Why an abort did nothing.
    static let compactionContinues = "this pi cannot end a compaction: it continues"

    /// pi is gone: an answer that was kept back goes out as it is.
    mutating func piExited() -> [CommandRouter.Action] {
        defer { self = CommandGate() }
        let held: (asker: CommandRouter.Asker, line: ByteBuffer)? =
            switch state {
            case .open: nil
            case .prompt(let prompt): prompt.held
            case .abort(let abort): abort.held
            }
        return held.map { [.deliver($0.asker, $0.line)] } ?? []
    }
}
