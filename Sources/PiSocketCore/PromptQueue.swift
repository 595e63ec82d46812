import DequeModule
import HypiWire
import NIOCore
import PiAdapter

/// The prompts that wait for their turn.
///
/// They wait here and not in pi: a guard can stop all of them, a viewer can see and remove each of them, and every version
/// of pi behaves the same way (an older one continues with its own queue after an abort). Pure. Two limits apply,
/// ``Limits/queuedCommands`` and ``Limits/queuedPromptBytes``; a prompt beyond them is refused.
struct PromptQueue {
    /// A prompt that waits.
    struct Entry {
        /// Its name on the wire, unique in the life of the bridge.
        var id: String
        /// Counts the prompts, to tell which of them came before something else.
        var number: Int
        /// As its sender wrote it.
        var command: JSONObject
        var asker: CommandRouter.Asker
        var byteCount: Int
        /// Whether its sender has been told that it waits.
        var isAnnounced = false

        /// The type of the command, for answers.
        var type: String { command["type"]?.string ?? "" }
    }

    /// The longest part of a prompt that viewers see while it waits, in bytes.
    static let excerptBytes = 2048

    private(set) var entries: Deque<Entry> = []
    private(set) var byteCount = 0
    /// The number of the newest prompt.
    private(set) var lastNumber = 0

    /// Whether one more prompt is too many.
    func isFull(adding byteCount: Int) -> Bool {
        entries.count >= Limits.queuedCommands || self.byteCount + byteCount > Limits.queuedPromptBytes
    }

    /// The bytes that a prompt counts.
    static func byteCount(of command: JSONObject) -> Int {
        (command["message"]?.string?.utf8.count ?? 0)
            + (command["images"]?.array ?? []).reduce(0) { $0 + ($1["data"]?.string?.utf8.count ?? 0) }
    }

    mutating func append(_ command: JSONObject, from asker: CommandRouter.Asker) {
        lastNumber += 1
        let size = Self.byteCount(of: command)
        byteCount += size
        entries.append(
            Entry(id: "q\(lastNumber)", number: lastNumber, command: command, asker: asker, byteCount: size))
    }

    mutating func popFirst() -> Entry? {
        let first = entries.popFirst()
        byteCount -= first?.byteCount ?? 0
        return first
    }

    /// Takes out the prompts that fit, in order.
    mutating func remove(where fits: (Entry) -> Bool) -> [Entry] {
        let removed = entries.filter(fits)
        entries.removeAll(where: fits)
        byteCount -= removed.reduce(0) { $0 + $1.byteCount }
        return Array(removed)
    }

    /// Marks every prompt as announced.
    ///
    /// - Returns: Those that were not, in order.
    mutating func announce() -> [Entry] {
        var new: [Entry] = []
        for index in entries.indices where !entries[index].isAnnounced {
            entries[index].isAnnounced = true
            new.append(entries[index])
        }
        return new
    }

    func contains(id: String) -> Bool {
        entries.contains { $0.id == id }
    }

    /// The prompts that wait as viewers see them (specs/protocol.md#queue).
    var list: [JSON] {
        entries.lazy.filter(\.isAnnounced).map { entry in
            let text = entry.command["message"]?.string ?? ""
            let excerpt = Self.excerpt(text)
            var item: JSONObject = ["id": .string(entry.id), "message": .string(excerpt)]
            if excerpt.utf8.count < text.utf8.count { item["truncated"] = true }
            if let count = entry.command["images"]?.array?.count, count > 0 { item["images"] = .int(count) }
            return .object(item)
        }
    }

    private static func excerpt(_ text: String) -> String {
        guard text.utf8.count > excerptBytes else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: excerptBytes)
        while end > text.startIndex, end.samePosition(in: text) == nil { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}
