import HypiWire

/// A tool call in one line, and its output folded.
struct ToolLine: Sendable {
    /// The call, as a person would write it.
    let summary: String
    private let name: String
    /// When it began; `nil` for calls of the past.
    let started: ContinuousClock.Instant?

    init(name: String, arguments: JSON, started: ContinuousClock.Instant? = nil) {
        self.name = name
        self.started = started
        summary = Self.summary(name, arguments)
    }

    private static func summary(_ name: String, _ arguments: JSON) -> String {
        let path = arguments["path"]?.string ?? arguments["file_path"]?.string
        switch name {
        case "bash":
            let lines = (arguments["command"]?.string ?? "").split(separator: "\n")
            return "$ " + (lines.first ?? "") + (lines.count > 1 ? " …" : "")
        case "read":
            guard let offset = arguments["offset"]?.int else { return "read \(path ?? "")" }
            let end = arguments["limit"]?.int.map { "-\(offset.addingClamped($0).subtractingClamped(1))" } ?? ""
            return "read \(path ?? ""):\(offset)\(end)"
        default:
            if let path { return "\(name) \(path)" }
            return arguments.object?.members.isEmpty == false ? "\(name) \(arguments.text)" : name
        }
    }

    /// The line of a call that is over.
    func finished(isError: Bool, now: ContinuousClock.Instant, _ style: Style) -> String {
        let mark = isError ? style.red("✗") : style.green("✓")
        let duration = started.map { " " + style.dim(Self.duration(now - $0)) } ?? ""
        return "\(mark) \(Markdown.printable(summary))\(duration)"
    }

    /// The first `limit` lines of the output, all where it is `nil`, or the coloured diff of an edit.
    static func output(_ result: JSON, limit: Int?, _ style: Style) -> [String] {
        if let diff = result["details"]?["diff"]?.string, !diff.isEmpty {
            return fold(lines(diff), limit.map { max($0, 20) }, style) { colour($0, style) }
        }
        return fold(lines(MessageText.plain(result)), limit, style, style.dim)
    }

    private static func lines(_ text: String) -> [Substring] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        while lines.last?.allSatisfy(\.isWhitespace) == true { lines.removeLast() }
        return lines
    }

    private static func fold(
        _ lines: [Substring], _ limit: Int?, _ style: Style, _ dress: (String) -> String
    ) -> [String] {
        let isFolded = limit.map { lines.count > $0 + 1 } ?? false
        let shown = isFolded ? lines.prefix(limit ?? 0) : lines[...]
        let rows = shown.map { "  " + dress(Markdown.printable(String($0))) }
        return isFolded ? rows + [style.dim("  … \(lines.count - shown.count) more lines (/expand)")] : rows
    }

    private static func colour(_ line: String, _ style: Style) -> String {
        switch line.first {
        case "+": style.green(line)
        case "-": style.red(line)
        default: style.dim(line)
        }
    }

    /// A duration as people read it.
    static func duration(_ duration: Duration) -> String {
        let seconds = duration / .seconds(1)
        if seconds < 10 { return "\((seconds * 10).rounded() / 10)s" }
        let whole = Int(clamping: seconds)
        return whole < 90 ? "\(whole)s" : "\(whole / 60)m\(whole % 60)s"
    }
}
