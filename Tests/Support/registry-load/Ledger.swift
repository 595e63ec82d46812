/// Every event of every agent in its order: what should be said, or what was.
struct Ledger: Sendable, Equatable {
    /// What is said about an agent.
    enum Entry: Character {
        case joined = "j"
        case updated = "u"
        case offline = "o"
        case removed = "r"
    }

    private(set) var eventCount = 0
    /// The entries of each agent, one letter an event.
    private var entries: [String: String] = [:]

    mutating func enter(_ entry: Entry, _ id: String) {
        eventCount += 1
        entries[id, default: ""].append(entry.rawValue)
    }

    /// How many agents were told something else about than `other` has, and one of them.
    func difference(from other: Ledger) -> (count: Int, example: String) {
        let ids = Set(entries.keys).union(other.entries.keys).filter { entries[$0] != other.entries[$0] }
        let example = ids.min().map { "\($0): '\(entries[$0] ?? "")' instead of '\(other.entries[$0] ?? "")'" }
        return (ids.count, example ?? "")
    }
}
