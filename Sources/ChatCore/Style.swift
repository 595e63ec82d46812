import HypiWire

/// How text is dressed on a terminal; without colour everything stays plain.
struct Style: Sendable {
    /// Whether the terminal takes colours and attributes.
    var isColoured: Bool

    func bold(_ text: String) -> String { wrap("1", text, "22") }
    func dim(_ text: String) -> String { wrap("2", text, "22") }
    func red(_ text: String) -> String { wrap("31", text, "39") }
    func green(_ text: String) -> String { wrap("32", text, "39") }
    func yellow(_ text: String) -> String { wrap("33", text, "39") }
    func cyan(_ text: String) -> String { wrap("36", text, "39") }

    private func wrap(_ on: String, _ text: String, _ off: String) -> String {
        isColoured && !text.isEmpty ? "\u{1B}[\(on)m\(text)\u{1B}[\(off)m" : text
    }
}

/// Light Markdown, a line at a time: headings, bold and code; everything else stays as it is, so that it can be copied.
struct Markdown: Sendable {
    private let style: Style
    private var isCode = false

    init(_ style: Style) {
        self.style = style
    }

    /// Dresses a line that is complete.
    mutating func line(_ text: String) -> String {
        let dressed = preview(text)
        if Self.isFence(text) { isCode.toggle() }
        return dressed
    }

    /// Dresses a line that may still grow.
    func preview(_ text: String) -> String {
        let text = Self.printable(text)
        if Self.isFence(text) { return style.dim(text) }
        if isCode { return style.cyan(text) }
        if text.hasPrefix("#"), let space = text.firstIndex(of: " "), text[..<space].allSatisfy({ $0 == "#" }) {
            return style.bold(text)
        }
        return inline(text)
    }

    private static func isFence(_ text: String) -> Bool {
        text.drop { $0 == " " }.hasPrefix("```")
    }

    /// A line without control characters; tabs are widened, since nobody knows where the line will stand.
    static func printable(_ text: String) -> String {
        text.contains("\t")
            ? text.replacing("\t", with: "    ").withoutControlCharacters : text.withoutControlCharacters
    }

    private func inline(_ text: String) -> String {
        guard style.isColoured else { return text }
        var result = ""
        var rest = text[...]
        while let mark = rest.firstIndex(where: { $0 == "*" || $0 == "`" }) {
            let marker = rest[mark] == "`" ? "`" : "**"
            let body = rest[mark...].dropFirst(marker.count)
            guard rest[mark...].hasPrefix(marker), let end = body.firstRange(of: marker),
                end.lowerBound > body.startIndex
            else {
                result += rest[...mark]
                rest = rest[rest.index(after: mark)...]
                continue
            }
            let inner = String(body[..<end.lowerBound])
            result += rest[..<mark] + (marker == "`" ? style.cyan(inner) : style.bold(inner))
            rest = body[end.upperBound...]
        }
        return result + rest
    }
}
