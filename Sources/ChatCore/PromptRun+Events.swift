public import HypiWire
import PiAdapter

/// Everything beside pi's own records: dialogs, lost connections, snapshots, the end of pi.
extension PromptRun {
    /// A dialog was opened, or a notification came.
    public mutating func asked(_ dialog: DialogRequest) -> [Action] {
        guard phase != .ended else { return [] }
        if case .notify(let kind) = dialog.question {
            return isOurs ? [.note(kind == "info" ? dialog.title : "\(kind): \(dialog.title)")] : []
        }
        guard dialog.needsAnswer else { return [] }
        // A dialog of somebody else's turn is theirs to answer.
        guard isOurs else { return [.note("waiting: the agent asks somebody else: \(dialog.summary)")] }
        switch policy.answer(to: dialog) {
        case .given(let answer):
            forgetConfirmation()
            return [.answer(dialog, answer)] + (kind == .extensionCommand && phase != .sent ? confirm() : [])
        case .missing: return finish(.needsAnswer(dialog))
        case .unfitting(let text):
            return [.note("'\(text)' is no answer to this question")] + finish(.needsAnswer(dialog))
        }
    }

    /// The queue of the agent has changed.
    public mutating func queueChanged(_ frame: JSON) -> [Action] {
        guard case .queued(let id) = phase else { return [] }
        if frame["started"]?.string == id {
            // What became of it is said by its second answer, unless that was lost on the way.
            phase = .accepted(isNext: true)
        } else if frame["removed"]?.array?.contains(.string(id)) == true {
            return finish(.failed(frame["reason"]?.string ?? "the prompt was taken back before its turn"))
        }
        return []
    }

    /// The connection is back, and what was missed follows.
    public mutating func resumed(_ welcome: Welcome) -> [Action] {
        wasInterrupted = true
        // An answer that was lost on the way is given again; the bridge takes the first.
        return welcome.pending.filter { policy.hasAnswered($0) || isOurs }.flatMap { asked($0) }
    }

    /// The connection is back, and what was missed is only in the snapshot.
    public mutating func rejoined(_ welcome: Welcome) -> [Action] {
        guard phase != .ended else { return [] }
        wasInterrupted = true
        forgetConfirmation()
        watch = RunWatch(isRunning: welcome.isBusy)
        defer { boot = welcome.boot }
        guard let index = ourMessage(in: welcome) else { return missing(welcome) }
        phase = .answering
        let after = welcome.messages[(index + 1)...]
        let end = after.indices.first { after[$0]["role"]?.string == "user" && endsAnswer(after[..<$0]) }
        let ours = after[..<(end ?? after.endIndex)].filter { MessageText.isRole("assistant", $0) }
        do {
            let rest = try answer.rebuild(messages: ours, partial: end == nil ? welcome.partial : nil)
            lastStop = ours.last
            if end != nil { return print(rest) + concluded() }
            return print(rest) + (welcome.isBusy ? [] : confirm())
        } catch {
            return finish(.interrupted(Self.divergence))
        }
    }

    /// pi ended.
    public mutating func agentExited(_ exit: JSON) -> [Action] {
        // A prompt that waits is kept for the pi that follows.
        guard phase != .ended, !(isWaiting && AgentExit(exit).isRestarting) else { return [] }
        return finish(.failed(AgentExit(exit).summary))
    }

    private func ourMessage(in welcome: Welcome) -> Int? {
        let index = welcome.messages.lastIndex {
            MessageText.isRole("user", $0) && (MessageText.plain($0) == prompt || kind == .expanded)
        }
        // An older message with the same words is not ours, unless a compaction has shortened the list.
        guard let index else { return nil }
        let isNew = welcome.earlierCount + index >= messageCount
        let isShortened = welcome.earlierCount + welcome.messages.count < messageCount
        return isNew || isShortened || phase == .answering ? index : nil
    }

    private func endsAnswer(_ before: ArraySlice<JSON>) -> Bool {
        before.last { MessageText.isRole("assistant", $0) }.map(Self.isFinal) == true
    }

    private mutating func missing(_ welcome: Welcome) -> [Action] {
        switch phase {
        case .sent, .ended: return []
        case .queued(let id):
            if welcome.queue.contains(where: { $0["id"]?.string == id }) { return [] }
            // Its turn has come and passed while we were away.
            return finish(.interrupted("the answer came and is no longer among the newest messages"))
        case .accepted:
            guard welcome.boot == boot else {
                return finish(.interrupted("the agent was restarted, or went to another session, before it answered"))
            }
            return welcome.isBusy ? [] : confirm()
        case .answering: return finish(.interrupted("the conversation was replaced before the answer was complete"))
        }
    }
}

/// What dialogs are answered with when no person is there.
public struct DialogPolicy: Sendable {
    /// What the policy says about one dialog.
    enum Decision: Equatable {
        case given(DialogAnswer)
        /// An answer was given, but not one to this question.
        case unfitting(String)
        case missing
    }

    private var answers: [String]
    private let denies: Bool
    private var given: [String: DialogAnswer] = [:]

    /// A policy.
    ///
    /// - Parameters:
    ///   - answers: Answers to dialogs, in the order in which they are opened; each is used once.
    ///   - denies: Whether every other dialog is refused.
    public init(answers: [String] = [], denies: Bool = false) {
        self.answers = answers
        self.denies = denies
    }

    func hasAnswered(_ dialog: DialogRequest) -> Bool {
        given[dialog.id] != nil
    }

    /// Decides, and decides the same when the same dialog comes again.
    mutating func answer(to dialog: DialogRequest) -> Decision {
        if let answer = given[dialog.id] { return .given(answer) }
        guard let text = answers.first else {
            guard denies else { return .missing }
            let refusal: DialogAnswer = if case .confirm = dialog.question { .confirmed(false) } else { .cancelled }
            given[dialog.id] = refusal
            return .given(refusal)
        }
        guard let answer = DialogAnswer(text, to: dialog) else { return .unfitting(text) }
        answers.removeFirst()
        given[dialog.id] = answer
        return .given(answer)
    }
}

/// How pi ended, in words.
struct AgentExit {
    /// One line.
    let summary: String
    /// Whether the bridge starts it again.
    let isRestarting: Bool

    init(_ frame: JSON) {
        isRestarting = frame["restarting"]?.bool ?? false
        var text = "pi ended"
        if let signal = frame["signal"], !signal.isNull {
            text += " by signal \(signal.string ?? signal.text)"
        } else if let code = frame["code"]?.int {
            text += " with status \(code)"
        }
        let reason = ErrorOutput.complaint(in: frame["stderr"]?.string ?? "")
        if !reason.isEmpty { text += ": " + reason }
        summary = text + (isRestarting ? "; it is being restarted" : "")
    }
}
