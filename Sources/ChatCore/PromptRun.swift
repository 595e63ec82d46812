public import HypiWire
import PiAdapter

/// One prompt from its sending to the end of its answer: decides what to print and when it is over.
///
/// Pure: events in, actions out. The answer is found by our own user message, so that a prompt that had to wait behind
/// somebody else's turn prints nothing of that turn, and nothing of what others ask afterwards.
public struct PromptRun: Sendable {
    /// What a prompt is, as far as it changes what to wait for.
    public enum Kind: Sendable, Equatable {
        /// Text for the model.
        case text
        /// A slash command that pi expands into text: a template, a skill.
        case expanded
        /// A slash command of an extension, which may do its work without any run.
        case extensionCommand
    }

    /// What is to be done.
    public enum Action: Sendable, Equatable {
        /// Print a piece of the answer.
        case print([UInt8])
        /// Tell a person.
        case note(String)
        /// Ask for `get_state` and bring the answer to ``confirmed(_:)``.
        case confirm
        /// Answer a dialog.
        case answer(DialogRequest, DialogAnswer)
        /// It is over; no other action follows.
        case finish(Outcome)
    }

    /// How a prompt ended.
    public enum Outcome: Sendable, Equatable {
        /// The answer is complete.
        case settled
        /// It was refused, failed or aborted; why.
        case failed(String)
        /// A dialog waits for an answer that was not given beforehand.
        case needsAnswer(DialogRequest)
        /// What became of it is unknown, or its text cannot be joined to what was printed.
        case interrupted(String)
    }

    enum Phase: Equatable {
        /// It is on its way.
        case sent
        /// It waits for its turn under this name.
        case queued(String)
        /// pi took it; whether the next user message must be ours.
        case accepted(isNext: Bool)
        /// Our message has begun: what follows is the answer.
        case answering
        case ended
    }

    let prompt: String
    let kind: Kind
    var policy: DialogPolicy
    var phase = Phase.sent
    var watch: RunWatch
    var answer = AnswerText()
    /// How the newest assistant message of ours ended.
    var lastStop: JSON?
    var isConfirming = false
    /// What our extension command has thrown.
    private var commandError: String?
    private var isConfirmedOnce = false
    /// Whether a connection was lost since the prompt was sent, so that pi's answer to it may come late.
    var wasInterrupted = false
    var boot: String?
    /// Messages in the conversation before the prompt.
    let messageCount: Int

    /// A prompt that is being sent.
    ///
    /// - Parameters:
    ///   - prompt: Its text.
    ///   - kind: What it is.
    ///   - policy: What dialogs are answered with.
    ///   - welcome: The agent's state before it was sent.
    public init(_ prompt: String, kind: Kind, policy: DialogPolicy, welcome: Welcome) {
        self.prompt = prompt
        self.kind = kind
        self.policy = policy
        watch = RunWatch(isRunning: welcome.isBusy)
        boot = welcome.boot
        messageCount = welcome.earlierCount + welcome.messages.count
    }

    /// A run that goes on after its dialogs were answered; only what is said from now on is its answer.
    ///
    /// - Parameters:
    ///   - welcome: The agent's state.
    ///   - policy: What dialogs are answered with.
    public init(joining welcome: Welcome, policy: DialogPolicy) {
        self.init("", kind: welcome.isBusy ? .text : .extensionCommand, policy: policy, welcome: welcome)
        phase = welcome.isBusy ? .answering : .accepted(isNext: false)
        if let partial = welcome.partial { _ = answer.begin(partial: partial) }
        answer.forgetPrinted()
    }

    /// Takes the answer to the prompt; one that has waited is answered again when its turn has come.
    public mutating func answered(_ response: JSON) -> [Action] {
        guard phase != .ended else { return [] }
        guard response["success"]?.bool == true else {
            return finish(.failed(response["error"]?.string ?? "the prompt was refused"))
        }
        let data = response["data"]
        switch data?["disposition"]?.string {
        case "queued":
            if phase == .sent, let id = data?["queueId"]?.string { phase = .queued(id) }
            if case .queued = phase { return [] }
        case "started": if phase == .sent || isWaiting { phase = .accepted(isNext: true) }
        case "handled": if case .queued = phase { phase = .accepted(isNext: !watch.isRunning) }
        default: break
        }
        if phase == .sent { phase = .accepted(isNext: !watch.isRunning) }
        let isHandled = kind == .extensionCommand || data?["disposition"] == "handled"
        return isHandled && !watch.isRunning ? confirm() : []
    }

    /// Takes the next record.
    public mutating func apply(_ record: JSON) -> [Action] {
        guard phase != .ended else { return [] }
        let kind = PiRecord.Kind(rawValue: record["type"]?.string ?? "") ?? .other
        var actions: [Action] = []
        switch kind {
        case .messageStart: actions = messageStarted(record["message"] ?? .null)
        case .messageUpdate: actions = updated(record["assistantMessageEvent"] ?? .null)
        case .messageEnd: actions = messageEnded(record["message"] ?? .null)
        case .extensionError:
            let reason = "extension error: \(record["error"]?.string ?? record.text)"
            if self.kind == .extensionCommand, record["event"]?.string == "command", !watch.isRunning {
                commandError = reason
            } else if isOurs {
                actions = [.note(reason)]
            }
        default: break
        }
        guard phase != .ended, let signal = watch.apply(kind, record) else { return actions }
        switch signal {
        case .running: forgetConfirmation()
        case .maybeOver: if !isWaiting { actions += confirm() }
        case .over: actions += phase == .answering ? concluded() : isWaiting ? [] : confirm()
        }
        return actions
    }

    /// Takes the answer to ``Action/confirm``.
    public mutating func confirmed(_ response: JSON) -> [Action] {
        guard isConfirming, phase != .ended else { return [] }
        isConfirming = false
        let state = PiState(response["data"] ?? .null)
        guard watch.confirm(state) else { return [] }
        if kind == .extensionCommand, !isConfirmedOnce {
            // The command may be about to ask the next question: a second answer gives it a turn.
            isConfirmedOnce = true
            return confirm()
        }
        switch phase {
        case .answering: return concluded()
        case .accepted:
            if state.pendingMessageCount ?? 0 > 0 { return [] }
            if let commandError { return finish(.failed(commandError)) }
            let isExpected = kind == .extensionCommand
            return (isExpected ? [] : [.note("the agent took the prompt without an answer")]) + finish(.settled)
        case .sent, .queued, .ended: return []
        }
    }

    /// Nothing has been heard for a while: a run can end without a record (a new session, a compaction).
    public mutating func quiet() -> [Action] {
        switch phase {
        case .sent, .queued, .ended: []
        case .accepted, .answering: confirm()
        }
    }

    // MARK: Messages

    private mutating func messageStarted(_ message: JSON) -> [Action] {
        if MessageText.isRole("user", message) {
            if phase == .answering { return lastStop.map(Self.isFinal) == true ? concluded() : [] }
            if isOurMessage(MessageText.plain(message)) { phase = .answering }
        } else if phase == .answering, MessageText.isRole("assistant", message) {
            answer.begin()
        }
        return []
    }

    private func isOurMessage(_ text: String) -> Bool {
        switch phase {
        // What pi lists as an extension's command may start a run all the same.
        case .accepted(let isNext): isNext || text == prompt
        // Another client may have sent the same words; only when pi's answer was lost do they have to do.
        case .sent: wasInterrupted && text == prompt
        // The agent's own words about the queue may have been lost with a connection.
        case .queued: wasInterrupted && text == prompt
        case .answering, .ended: false
        }
    }

    /// Whether the agent keeps the prompt for later, so that the end of a run means nothing for it.
    var isWaiting: Bool {
        if case .queued = phase { true } else { false }
    }

    private mutating func updated(_ event: JSON) -> [Action] {
        guard phase == .answering, event["type"]?.string == "text_delta", let delta = event["delta"]?.string else {
            return []
        }
        return print(answer.append(delta, at: event["contentIndex"]?.int ?? 0))
    }

    private mutating func messageEnded(_ message: JSON) -> [Action] {
        guard phase == .answering, MessageText.isRole("assistant", message) else { return [] }
        lastStop = message
        do {
            return print(try answer.end(message))
        } catch {
            return finish(.interrupted(Self.divergence))
        }
    }

    // MARK: Endings

    static let divergence = "the text that was printed is not the one the agent has"

    /// Whether nothing follows a message but what others have asked.
    static func isFinal(_ message: JSON) -> Bool {
        message["stopReason"]?.string != "toolUse"
    }

    /// Whether what happens in the agent is our prompt's doing.
    var isOurs: Bool {
        phase == .answering || (!isWaiting && (!watch.isRunning || kind == .extensionCommand))
    }

    /// Something has happened: whatever was confirmed is out of date.
    mutating func forgetConfirmation() {
        isConfirming = false
        isConfirmedOnce = false
    }

    mutating func confirm() -> [Action] {
        guard !isConfirming else { return [] }
        isConfirming = true
        return [.confirm]
    }

    func print(_ bytes: [UInt8]) -> [Action] {
        bytes.isEmpty ? [] : [.print(bytes)]
    }

    /// The run is over: the last message says how.
    mutating func concluded() -> [Action] {
        guard let lastStop else { return finish(.interrupted("the run ended without an answer")) }
        switch lastStop["stopReason"]?.string {
        case "error": return finish(.failed(lastStop["errorMessage"]?.string ?? "the model reported an error"))
        case "aborted": return finish(.failed("the answer was aborted"))
        case "toolUse": return finish(.interrupted("the run was cut off"))
        case "length": return [.note("the answer was cut off by the model's length limit")] + finish(.settled)
        default: return finish(.settled)
        }
    }

    mutating func finish(_ outcome: Outcome) -> [Action] {
        phase = .ended
        return print(answer.finish()) + [.finish(outcome)]
    }
}
