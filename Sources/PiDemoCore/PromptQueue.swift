import HypiWire

/// Messages that wait for the agent to be ready for them.
struct PromptQueue {
    /// The mode's word as the client gave it; pi keeps any, and takes all but `all` for one at a time.
    var mode = "one-at-a-time"
    private(set) var waiting: [JSON] = []

    var texts: JSON {
        .array(waiting.map { .string(Message.plainText($0)) })
    }

    mutating func append(_ message: JSON) {
        waiting.append(message)
    }

    /// Takes what is to be delivered now.
    mutating func take() -> [JSON] {
        let count = mode == "all" ? waiting.count : min(1, waiting.count)
        defer { waiting.removeFirst(count) }
        return Array(waiting.prefix(count))
    }

    mutating func removeAll() {
        waiting = []
    }
}
