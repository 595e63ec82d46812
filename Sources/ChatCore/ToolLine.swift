import HypiWire

/// A tool call in one line, and its output folded.
struct ToolLine: Sendable {
    /// The call, as a person would write it.
    let summary: String
    private let name: String
    /// When it began; `nil` for calls of the past.
    let started: ContinuousClock.Instant?
    /// What an edit changes, as lines of a diff.
    private let change: String?
    /// Whether the person runs it, and not the model.
    let isOwn: Bool
    /// The end of what it has printed so far.
    private var printed = ""

    /// Characters of the output of a running command that are kept: more than its few rows take.
    private static let printedLimit = 1000

    init(name: String, arguments: JSON, started: ContinuousClock.Instant? = nil, isOwn: Bool = false) {
        self.isOwn = isOwn
        self.name = name
        self.started = started
        summary = Self.summary(name, arguments)
        change = DiffText.of(name, arguments)
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

    /// Takes the next piece of its output.
    mutating func feed(_ piece: String) {
        printed = String((printed + piece).unicodeScalars.suffix(Self.printedLimit))
    }

    /// The newest lines of its output.
    var newestLines: [String] {
        printed.split(separator: "\n").suffix(3).map { Markdown.printable(String($0)) }
    }

    /// The line of a call that is over.
    func finished(isError: Bool, now: ContinuousClock.Instant, _ style: Style) -> String {
        let mark = isError ? style.red("✗") : style.green("✓")
        let duration = started.map { " " + style.dim(Self.duration(now - $0)) } ?? ""
        return "\(mark) \(Markdown.printable(summary))\(duration)"
    }

    /// What a call has printed or changed.
    enum Output: Sendable {
        case text(String)
        case diff(String)

        /// Its lines, indented: as many as fill `limit` rows, all where it is `nil`.
        func lines(limit: Int?, width: Int, _ style: Style) -> [String] {
            let (shown, hidden, isCut): ([String], Int, Bool)
            switch self {
            case .text(let text):
                (shown, hidden, isCut) = ToolOutput.lines(text, limit: limit, width: width, style, style.dim)
            case .diff(let diff):
                let limit = limit.map { max($0, 20) }
                (shown, hidden, isCut) = ToolOutput.lines(diff, limit: limit, width: width, style) {
                    DiffText.dress($0, style)
                }
            }
            var rows = shown.map { "  " + $0 }
            if hidden > 0 {
                rows.append(style.dim("  … \(hidden) more line\(hidden == 1 ? "" : "s") (/expand)"))
            } else if isCut {
                rows.append(style.dim("  … cut (/expand)"))
            }
            return rows
        }
    }

    /// What the call has printed, or the diff of an edit.
    func output(_ result: JSON) -> Output {
        if let diff = result["details"]?["diff"]?.string, !diff.isEmpty { return .diff(diff) }
        // A failure is said in the result, and nothing was changed then.
        if let change, result["isError"]?.bool != true { return .diff(change) }
        return .text(MessageText.plain(result))
    }

    /// A duration as people read it.
    static func duration(_ duration: Duration) -> String {
        let seconds = duration / .seconds(1)
        if seconds < 10 { return "\((seconds * 10).rounded() / 10)s" }
        let whole = Int(clamping: seconds)
        return whole < 90 ? "\(whole)s" : "\(whole / 60)m\(whole % 60)s"
    }
}
