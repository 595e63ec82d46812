import DequeModule
import PiAdapter

/// The commands that pi has been given, by the ids we gave them; finds the one that an answer belongs to.
struct CommandLedger {
    private struct Entry {
        var type: String
        var purpose: CommandRouter.Purpose
        var isAnswered = false
    }

    /// What an answer belongs to.
    enum Finding {
        case unknown
        /// A second answer that says nothing new.
        case repeated(type: String)
        case answer(id: String, type: String, CommandRouter.Purpose)
    }

    /// Answered prompts that are kept because pi may answer them once more; beyond it the oldest are forgotten.
    private static let answeredPromptLimit = 64

    private var number = 0
    private var entries: [String: Entry] = [:]
    /// Ids as they were given, for answers without one; may hold some that are answered already.
    private var order: Deque<String> = []
    private var answeredPrompts: Deque<String> = []
    /// Commands pi has not answered.
    private(set) var unansweredCount = 0

    /// The newest id.
    var lastID: String {
        "h\(number)"
    }

    /// Keeps a command; its id.
    mutating func add(type: String, _ purpose: CommandRouter.Purpose) -> String {
        number += 1
        entries[lastID] = Entry(type: type, purpose: purpose)
        order.append(lastID)
        unansweredCount += 1
        if order.count > 2 * unansweredCount + 64 { order = Deque(order.filter(isUnanswered)) }
        return lastID
    }

    /// Why a command was sent that pi has not answered; `nil` for any other id.
    func purpose(of id: String) -> CommandRouter.Purpose? {
        entries[id].flatMap { $0.isAnswered ? nil : $0.purpose }
    }

    /// Finds what pi has answered.
    ///
    /// A prompt may be answered twice. `false` then `true`: it was not done, and the second says nothing. `true` then
    /// `false`: it was not done either, and that is an answer again.
    mutating func take(_ response: PiResponse) -> Finding {
        guard let id = response.id.flatMap({ entries[$0] == nil ? nil : $0 }) ?? idOfNameless(response),
            var entry = entries[id]
        else { return .unknown }
        if entry.isAnswered {
            entries[id] = nil
            guard !response.success else { return .repeated(type: entry.type) }
            return .answer(id: id, type: entry.type, entry.purpose)
        }
        unansweredCount -= 1
        entry.isAnswered = true
        entries[id] = entry.type == "prompt" ? entry : nil
        if entry.type == "prompt" { keepAnswered(id) }
        return .answer(id: id, type: entry.type, entry.purpose)
    }

    /// Forgets everything; the viewers' commands that were not answered, in order.
    mutating func removeAll() -> [(type: String, asker: CommandRouter.Asker)] {
        let left = order.compactMap { id -> (type: String, asker: CommandRouter.Asker)? in
            guard let entry = entries[id], !entry.isAnswered, case .viewer(let asker) = entry.purpose else {
                return nil
            }
            return (entry.type, asker)
        }
        (entries, order, answeredPrompts, unansweredCount) = ([:], [], [], 0)
        return left
    }

    private mutating func keepAnswered(_ id: String) {
        answeredPrompts.append(id)
        if answeredPrompts.count > Self.answeredPromptLimit { entries[answeredPrompts.removeFirst()] = nil }
    }

    private func isUnanswered(_ id: String) -> Bool {
        entries[id].map { !$0.isAnswered } ?? false
    }

    /// An answer without id: the oldest command that fails so, of the type pi names where it names one.
    private func idOfNameless(_ response: PiResponse) -> String? {
        guard response.id == nil, !response.success else { return nil }
        return order.first { id in
            guard let entry = entries[id], !entry.isAnswered else { return false }
            if let command = response.command, command != "parse" { return entry.type == command }
            return PiCommand.failsWithoutID(entry.type)
        }
    }
}
