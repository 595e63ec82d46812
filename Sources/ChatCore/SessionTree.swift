import HypiWire

/// The prompts of a session with its branches, from the list of its entries.
struct SessionTree {
    /// A prompt.
    struct Prompt: Equatable {
        var id: String
        var text: String
        /// Branches between the beginning and this prompt.
        var depth: Int
        /// Whether it is part of the conversation as it is now.
        var isCurrent: Bool
    }

    /// The prompts, each before those that follow it.
    private(set) var prompts: [Prompt] = []

    /// The tree of a session.
    ///
    /// - Parameters:
    ///   - entries: As pi tells them, each with `id` and `parentId`.
    ///   - leaf: The entry at the end of the conversation.
    init(entries: [JSON], leaf: String?) {
        var byID: [String: JSON] = [:]
        var children: [String: [String]] = [:]
        var roots: [String] = []
        for entry in entries {
            guard let id = entry["id"]?.string, byID[id] == nil else { continue }
            byID[id] = entry
            // A parent stands before its children, so that no ring can arise.
            if let parent = entry["parentId"]?.string, byID[parent] != nil {
                children[parent, default: []].append(id)
            } else {
                roots.append(id)
            }
        }
        var current: Set<String> = []
        var step = leaf
        while let id = step, current.insert(id).inserted { step = byID[id]?["parentId"]?.string }
        var stack = roots.reversed().map { ($0, 0) }
        while let (id, depth) = stack.popLast() {
            let message = byID[id]?["message"]
            if MessageText.isRole("user", message) {
                let text = MessageText.plain(message ?? .null)
                prompts.append(Prompt(id: id, text: text, depth: depth, isCurrent: current.contains(id)))
            }
            let next = children[id] ?? []
            stack += next.reversed().map { ($0, next.count > 1 ? depth + 1 : depth) }
        }
    }
}
