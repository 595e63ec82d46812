/// Texts that are too tall for the window: a short name stands for each in the line that is being typed.
///
/// Readline draws a line that is taller than the screen over what stands above it, and leaves pieces of it behind.
struct PasteBook {
    private var texts: [(name: String, text: String)] = []
    private var count = 0

    /// Bytes of a text that is short enough to be drawn at once.
    private static let byteLimit = 64 << 10

    /// The text as it stands in the line: itself, or the name of it where it is taller than `rows`.
    mutating func shown(_ text: String, rows: Int, width: Int) -> String {
        // Text between names was typed, so the names are what it is measured by.
        guard text.utf8.count > Self.byteLimit || Self.height(text, width: width) > rows else { return text }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
        count += 1
        let size = lines > 1 ? "\(lines) lines" : "\(text.count) characters"
        let name = "[paste #\(count), \(size)]"
        texts.append((name, expanded(text)))
        return name
    }

    private static func height(_ text: String, width: Int) -> Int {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .reduce(0) { $0 + TextWidth.cells($1) / max(1, width) + 1 }
    }

    /// The line with each name replaced by what it stands for.
    func expanded(_ line: String) -> String {
        guard line.contains("[paste #") else { return line }
        return texts.reduce(line) { $0.replacing($1.name, with: $1.text) }
    }

    /// Forgets the texts that the line does not name any more, so that they take no memory.
    mutating func keep(namedIn lines: [String]) {
        texts.removeAll { entry in !lines.contains { $0.contains(entry.name) } }
    }
}
