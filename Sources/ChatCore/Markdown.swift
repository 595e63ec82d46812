import HypiWire

/// Light Markdown, a line at a time: headings, bold and code; everything else stays as it is, so that it can be copied.
struct Markdown: Sendable {
    /// What a line is, as its beginning tells.
    enum Kind: Equatable {
        case fence, code, heading, table
        /// Prose; rows after the first stand below the text of a list item or quotation.
        case prose(hang: Int)

        /// How it is broken into rows.
        var wrapping: ScreenLine.Wrapping {
            switch self {
            case .fence, .code, .table: .none
            case .heading: .words(hang: 0)
            case .prose(let hang): .words(hang: hang)
            }
        }
    }

    private let style: Style
    private var isCode = false

    init(_ style: Style) {
        self.style = style
    }

    /// What a line is.
    func kind(of line: String) -> Kind {
        let text = line.unicodeScalars.drop { $0 == " " }
        if text.starts(with: "```".unicodeScalars) { return .fence }
        if isCode { return .code }
        if text.first == "|" { return .table }
        let marks = line.unicodeScalars.prefix { $0 == "#" }
        if !marks.isEmpty, line.unicodeScalars.dropFirst(marks.count).first == " " { return .heading }
        return .prose(hang: line.unicodeScalars.count - text.count + Self.markerWidth(text))
    }

    /// Cells of `- `, `* `, `> ` or `12. ` before the text of a line.
    private static func markerWidth(_ text: Substring.UnicodeScalarView) -> Int {
        let digits = text.prefix { ("0"..."9").contains($0) }
        let rest = text.dropFirst(digits.count)
        guard let mark = rest.first, rest.dropFirst().first == " " else { return 0 }
        let isMarker =
            digits.isEmpty
            ? "-*+>".unicodeScalars.contains(mark) : digits.count < 4 && ".)".unicodeScalars.contains(mark)
        return isMarker ? digits.count + 2 : 0
    }

    /// Dresses the whole line, or the rest of it, and goes on to the next.
    mutating func end(_ text: String, _ kind: Kind) -> String {
        if kind == .fence { isCode.toggle() }
        return dress(text, kind)
    }

    /// Dresses a line, or a part of it that may still grow.
    func dress(_ text: String, _ kind: Kind) -> String {
        let text = Self.printable(text)
        return switch kind {
        case .fence: style.dim(text)
        case .code: style.cyan(text)
        case .heading: style.bold(text)
        case .table: text
        case .prose: inline(text[...]).dressed
        }
    }

    /// Takes from growing prose what no later character can dress otherwise.
    ///
    /// - Parameters:
    ///   - text: The prose; what is taken is gone from it.
    ///   - kind: What the line is.
    ///   - patience: Characters that an open `**` or backtick may wait for its end before it is taken as it stands.
    /// - Returns: What was taken, dressed.
    func takeSettled(_ text: inout String, _ kind: Kind, patience: Int) -> String {
        guard case .prose = kind, style.isColoured else {
            defer { text = "" }
            return dress(text, kind)
        }
        let printable = Self.printable(text)
        let (dressed, rest) = inline(printable[...], patience: patience)
        text = String(rest)
        return dressed
    }

    /// A line without control characters; tabs are widened, since nobody knows where the line will stand.
    static func printable(_ text: String) -> String {
        text.contains("\t")
            ? text.replacing("\t", with: "    ").withoutControlCharacters : text.withoutControlCharacters
    }

    /// Dresses bold and code; with `patience` up to a mark whose other end may still come.
    private func inline(_ text: Substring, patience: Int? = nil) -> (dressed: String, rest: Substring) {
        guard style.isColoured else { return (String(text), "") }
        var result = ""
        var rest = text
        while let mark = rest.firstIndex(where: { $0 == "*" || $0 == "`" }) {
            let marker = rest[mark] == "`" ? "`" : "**"
            let body = rest[mark...].dropFirst(marker.count)
            guard rest[mark...].hasPrefix(marker), let end = body.firstRange(of: marker),
                end.lowerBound > body.startIndex
            else {
                if let patience, rest[mark...].count <= patience, Self.mayOpen(rest[mark...], marker) {
                    return (result + rest[..<mark], rest[mark...])
                }
                result += rest[...mark]
                rest = rest[rest.index(after: mark)...]
                continue
            }
            let inner = String(body[..<end.lowerBound])
            result += rest[..<mark] + (marker == "`" ? style.cyan(inner) : style.bold(inner))
            rest = body[end.upperBound...]
        }
        return (result + rest, "")
    }

    /// Whether a text that begins with a mark may become a dressed one when more of it comes.
    private static func mayOpen(_ text: Substring, _ marker: String) -> Bool {
        text.hasPrefix(marker) || marker.hasPrefix(text)
    }
}
