import HypiWire

/// What `--help` prints: purpose, usage, an option a line, rare ones by name only, three examples; a screen in all.
struct HelpText {
    private static let width = 80
    private static let indent = 2
    /// Where what an option does begins; a longer option gets its own line.
    private static let column = 25

    private let summary: CommandSummary
    private let manual: Manual

    init(_ summary: CommandSummary, _ manual: Manual) {
        self.summary = summary
        self.manual = manual
    }

    /// The whole text.
    var text: String {
        let folded = Set(manual.sections.flatMap(\.options) + ["version", "help"])
        let shown = summary.arguments.filter { $0.longName.map { !folded.contains($0) } ?? true }
        var lines = ["Usage: \(summary.name) \(summary.usage)", summary.purpose, ""]
        for argument in shown { lines += Self.entry(Self.label(argument), argument.meaning) }
        for section in manual.sections { lines += names(section) }
        lines.append("  Also: --version, --help; --help-hidden tells all of these one by one")
        lines += ["", "EXAMPLES:"] + manual.examples.map { "  " + $0 }
        return lines.joined(separator: "\n") + "\n"
    }

    private func names(_ section: Manual.Section) -> [String] {
        let names = section.options.compactMap { option -> String? in
            summary.arguments.contains { $0.longName == option } ? "--" + option : nil
        }
        return names.isEmpty ? [] : ["  \(section.title): " + names.joined(separator: ", ")]
    }

    private static func label(_ argument: CommandSummary.Argument) -> String {
        guard !argument.names.isEmpty else { return "<\(argument.valueName ?? "")>" }
        return argument.names.joined(separator: ", ") + (argument.valueName.map { " <\($0)>" } ?? "")
    }

    private static func entry(_ label: String, _ text: String) -> [String] {
        let margin = String(repeating: " ", count: column)
        let head = String(repeating: " ", count: indent) + label
        let lines = filled(text)
        guard let first = lines.first else { return [head] }
        guard head.count + 2 <= column else { return [head] + lines.map { margin + $0 } }
        return [head + String(repeating: " ", count: column - head.count) + first]
            + lines.dropFirst().map { margin + $0 }
    }

    /// Cuts a text into lines that fit beside the labels.
    private static func filled(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width - column {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
