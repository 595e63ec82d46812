/// Emphasis, code and links inside a line.
///
/// Marks that have no other end stay as they are, and so does everything in a terminal without attributes.
struct InlineMarkdown {
    let style: Style
    /// Characters that an open mark may wait for its other end; `nil` where the text is whole.
    var patience: Int?

    /// Dresses a text, up to a mark whose other end may still come.
    func dress(_ text: Substring) -> (dressed: String, rest: Substring) {
        guard style.isColoured else { return (String(text), "") }
        var result = ""
        var rest = text
        var previous: Character = " "
        while let mark = rest.firstIndex(where: { Self.marks.contains($0) }) {
            if mark > rest.startIndex { previous = rest[rest.index(before: mark)] }
            result += rest[..<mark]
            rest = rest[mark...]
            switch Self.span(rest, after: previous) {
            case .dressed(let inner, let kind, let end):
                result += self.text(inner, kind)
                previous = rest[rest.index(before: end)]
                rest = rest[end...]
            case .plain(let end):
                previous = rest[rest.index(before: end)]
                result += rest[..<end]
                rest = rest[end...]
            case .open:
                if let patience, rest.count <= patience { return (result, rest) }
                // What opens nothing is shown as a whole, so that `**` is not read as two marks.
                let end = rest.firstIndex { $0 != rest[mark] } ?? rest.endIndex
                previous = rest[mark]
                result += rest[..<end]
                rest = rest[end...]
            }
        }
        return (result + rest, "")
    }

    private func text(_ inner: Substring, _ kind: Span.Kind) -> String {
        let nested = InlineMarkdown(style: style)
        return switch kind {
        case .code: style.cyan(String(inner))
        case .strong: style.bold(nested.dress(inner).dressed)
        case .emphasis: style.italic(nested.dress(inner).dressed)
        case .strike: style.strike(nested.dress(inner).dressed)
        case .link(let url): style.link(nested.dress(inner).dressed, to: url, isBare: false)
        case .address: style.link(String(inner), to: String(inner), isBare: true)
        case .escaped: String(inner)
        }
    }

    // MARK: Marks

    private static let marks: Set<Character> = ["*", "_", "`", "~", "[", "<", "\\", "h"]

    /// What a mark turns out to be.
    private enum Span {
        enum Kind {
            case code, strong, emphasis, strike, link(String), address, escaped
        }

        case dressed(Substring, Kind, end: Substring.Index)
        case plain(Substring.Index)
        /// Its other end is missing.
        case open
    }

    private static func span(_ text: Substring, after previous: Character) -> Span {
        switch text.first {
        case "`": code(text)
        case "[": link(text)
        case "<": bracketed(text)
        case "\\": escaped(text)
        case "h": address(text, after: previous)
        default: emphasis(text, after: previous)
        }
    }

    private static func code(_ text: Substring) -> Span {
        let ticks = text.prefix { $0 == "`" }
        var rest = text[ticks.endIndex...]
        while let start = rest.firstIndex(of: "`") {
            let run = rest[start...].prefix { $0 == "`" }
            if run.count == ticks.count {
                guard start > ticks.endIndex else { return .plain(run.endIndex) }
                return .dressed(text[ticks.endIndex..<start], .code, end: run.endIndex)
            }
            rest = rest[run.endIndex...]
        }
        return .open
    }

    /// `*`, `**`, `_`, `__` and `~~`; underscores inside of words are part of them.
    private static func emphasis(_ text: Substring, after previous: Character) -> Span {
        guard let mark = text.first else { return .open }
        let run = text.prefix { $0 == mark }
        let count = min(run.count, 2)
        guard run.endIndex < text.endIndex else { return .open }
        let isWord = mark == "_" && (previous.isLetter || previous.isNumber)
        if text[run.endIndex].isWhitespace || isWord || mark == "~" && run.count != 2 || run.count > 3 {
            return .plain(run.endIndex)
        }
        let start = text.index(text.startIndex, offsetBy: count)
        var rest = text[start...]
        while let place = rest.firstIndex(where: { $0 == mark || $0 == "`" }) {
            if rest[place] == "`" {
                guard case .dressed(_, _, let end) = code(rest[place...]) else { return .open }
                rest = rest[end...]
                continue
            }
            let closing = rest[place...].prefix { $0 == mark }
            let isAfterText = place > start && !text[text.index(before: place)].isWhitespace
            let next = closing.endIndex < text.endIndex ? text[closing.endIndex] : " "
            let isInWord = mark == "_" && (next.isLetter || next.isNumber)
            // A longer run closes what it can: `*a **b***`.
            if isAfterText, !isInWord, closing.count == count || closing.count > 2 || (count == 1 && closing.count == 1)
            {
                let inner = closing.count > count ? text.index(place, offsetBy: closing.count - count) : place
                let kind: Span.Kind = mark == "~" ? .strike : count == 2 ? .strong : .emphasis
                return .dressed(text[start..<inner], kind, end: closing.endIndex)
            }
            rest = rest[closing.endIndex...]
        }
        return .open
    }

    /// `[text](url "title")`.
    private static func link(_ text: Substring) -> Span {
        var depth = 0
        for index in text.indices {
            if text[index] == "[" { depth += 1 }
            guard text[index] == "]" else { continue }
            depth -= 1
            guard depth == 0 else { continue }
            let after = text[text.index(after: index)...]
            guard let first = after.first else { return .open }
            guard first == "(" else { return .plain(text.index(after: text.startIndex)) }
            var parentheses = 0
            for place in after.indices {
                if after[place] == "(" { parentheses += 1 }
                guard after[place] == ")" else { continue }
                parentheses -= 1
                guard parentheses == 0 else { continue }
                let target = after[..<place].dropFirst().prefix { !$0.isWhitespace }
                let label = text[..<index].dropFirst()
                guard !target.isEmpty, !label.isEmpty else { return .plain(after.index(after: place)) }
                return .dressed(label, .link(String(target)), end: after.index(after: place))
            }
            return .open
        }
        return .open
    }

    /// `<https://...>`.
    private static func bracketed(_ text: Substring) -> Span {
        let inner = text.dropFirst()
        let next = text.index(after: text.startIndex)
        guard inner.hasPrefix("http://") || inner.hasPrefix("https://") else { return .plain(next) }
        guard let end = inner.firstIndex(where: { $0 == ">" || $0.isWhitespace }) else { return .open }
        guard inner[end] == ">" else { return .plain(next) }
        return .dressed(inner[..<end], .address, end: inner.index(after: end))
    }

    private static func address(_ text: Substring, after previous: Character) -> Span {
        let next = text.index(after: text.startIndex)
        guard !previous.isLetter, !previous.isNumber else { return .plain(next) }
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else { return .plain(next) }
        let end = text.firstIndex { $0.isWhitespace || "<>\"`|".contains($0) }
        guard let end else { return closedAddress(text) }
        return closedAddress(text[..<end])
    }

    /// Punctuation at the end belongs to the sentence; a bracket belongs to it unless the address has its other half.
    private static func closedAddress(_ text: Substring) -> Span {
        var text = text
        while let last = text.last, ".,;:!?'*_)]".contains(last) {
            if last == ")", text.count(where: { $0 == "(" }) >= text.count(where: { $0 == ")" }) { break }
            text.removeLast()
        }
        return .dressed(text, .address, end: text.endIndex)
    }

    private static func escaped(_ text: Substring) -> Span {
        let rest = text.dropFirst()
        guard let next = rest.first else { return .open }
        guard "\\`*_{}[]<>()#+-.!|~".contains(next) else { return .plain(rest.startIndex) }
        return .dressed(rest.prefix(1), .escaped, end: rest.index(after: rest.startIndex))
    }
}
