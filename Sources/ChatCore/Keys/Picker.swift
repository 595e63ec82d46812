/// A list to choose from: arrows move, typing narrows it, Enter takes, Esc leaves.
struct Picker: Sendable {
    /// One line of it.
    struct Item: Sendable, Equatable {
        /// What is shown.
        var label: String
        /// What it stands for.
        var value: String
    }

    var title: String
    var items: [Item]
    /// Where the mark is among the items that fit what was typed.
    private(set) var marked = 0

    init(title: String, items: [Item], marked: Int = 0) {
        (self.title, self.items, self.marked) = (title, items, marked)
    }

    /// The items that contain every word of a text, with their numbers from 1.
    func fitting(_ text: String) -> [(number: Int, item: Item)] {
        let words = text.lowercased().split(separator: " ")
        return items.enumerated().map { ($0.offset + 1, $0.element) }.filter { _, item in
            let label = item.label.lowercased()
            return words.allSatisfy { label.contains($0) }
        }
    }

    /// Moves the mark, around both ends.
    mutating func mark(by step: Int, _ text: String) {
        let count = fitting(text).count
        guard count > 0 else { return }
        marked = ((place(among: count) + step) % count + count) % count
    }

    /// Where the mark is among so many items.
    func place(among count: Int) -> Int { min(marked, max(0, count - 1)) }

    /// What Enter takes: the item of a number that was typed, or the marked one; `nil` if nothing fits.
    func choice(_ text: String) -> Item? {
        if let number = Int(text), items.indices.contains(number - 1) { return items[number - 1] }
        let fitting = fitting(text)
        return fitting.isEmpty ? nil : fitting[place(among: fitting.count)].item
    }
}
