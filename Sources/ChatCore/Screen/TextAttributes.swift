/// The colours, attributes and link that a terminal has after some sequences, to open them again on the next row.
struct TextAttributes: Sendable, Equatable {
    private enum Slot: Int, CaseIterable {
        case bold, dim, italic, underline, blink, reverse, hidden, strike, foreground, background
    }

    private var parts: [Slot: String] = [:]
    private var link: String?

    /// Takes one escape sequence; one that is neither SGR (ECMA-48 section 8.3.117) nor a link changes nothing.
    mutating func apply(_ escape: String) {
        if escape.hasPrefix("\u{1B}]8;") {
            // An empty target ends the link.
            link = escape.hasPrefix("\u{1B}]8;;\u{1B}") ? nil : escape
            return
        }
        guard escape.hasPrefix("\u{1B}["), escape.hasSuffix("m") else { return }
        var numbers = escape.dropFirst(2).dropLast().split(omittingEmptySubsequences: false) { ";:".contains($0) }
            .map { Int($0) ?? 0 }[...]
        while let number = numbers.popFirst() { apply(number, &numbers) }
    }

    private mutating func apply(_ number: Int, _ rest: inout ArraySlice<Int>) {
        switch number {
        case 0: parts = [:]
        case 1: parts[.bold] = "1"
        case 2: parts[.dim] = "2"
        case 3: parts[.italic] = "3"
        case 4: parts[.underline] = "4"
        case 5, 6: parts[.blink] = "5"
        case 7: parts[.reverse] = "7"
        case 8: parts[.hidden] = "8"
        case 9: parts[.strike] = "9"
        case 22: (parts[.bold], parts[.dim]) = (nil, nil)
        case 23: parts[.italic] = nil
        case 24: parts[.underline] = nil
        case 25: parts[.blink] = nil
        case 27: parts[.reverse] = nil
        case 28: parts[.hidden] = nil
        case 29: parts[.strike] = nil
        case 30...37, 90...97: parts[.foreground] = "\(number)"
        case 38: parts[.foreground] = Self.colour(38, &rest)
        case 39: parts[.foreground] = nil
        case 40...47, 100...107: parts[.background] = "\(number)"
        case 48: parts[.background] = Self.colour(48, &rest)
        case 49: parts[.background] = nil
        default: break
        }
    }

    /// `38;5;N` or `38;2;R;G;B`.
    private static func colour(_ kind: Int, _ rest: inout ArraySlice<Int>) -> String? {
        let count = rest.first == 5 ? 2 : rest.first == 2 ? 4 : 0
        guard count > 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return ([kind] + rest.prefix(count)).map(String.init).joined(separator: ";")
    }

    /// What sets them.
    var opening: String {
        let numbers = Slot.allCases.compactMap { parts[$0] }.joined(separator: ";")
        return (link ?? "") + (numbers.isEmpty ? "" : "\u{1B}[\(numbers)m")
    }

    /// What ends them.
    var closing: String {
        (parts.isEmpty ? "" : "\u{1B}[m") + (link == nil ? "" : Style.linkEnd)
    }
}
