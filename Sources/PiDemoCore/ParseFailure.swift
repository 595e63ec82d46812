/// Why a line is not JSON, in the words of the JavaScript engine that pi runs on (V8), since pi passes those on.
struct ParseFailure {
    /// The message of the `SyntaxError`.
    let message: String

    /// Looks for the first fault of a text that is known not to be JSON.
    init(_ text: String) {
        var search = FaultSearch(units: Array(text.utf16))
        message = search.run() ?? "Unexpected end of JSON input"
    }
}

/// A pass over a text, in UTF-16 units as JavaScript counts, that stops at the first fault.
private struct FaultSearch {
    private struct Fault: Error {
        let message: String
    }

    let units: [UInt16]
    private var position = 0
    private var depth = 0

    init(units: [UInt16]) {
        self.units = units
    }

    mutating func run() -> String? {
        do throws(Fault) {
            try value()
            skipSpace()
            if position < units.count { throw at("Unexpected non-whitespace character after JSON") }
            return nil
        } catch {
            return error.message
        }
    }

    private mutating func value() throws(Fault) {
        skipSpace()
        depth += 1
        defer { depth -= 1 }
        guard depth < 2000 else { throw Fault(message: "Maximum call stack size exceeded") }
        switch peek {
        case "{": try object()
        case "[": try array()
        case "\"": try string()
        case "t": try literal("true")
        case "f": try literal("false")
        case "n": try literal("null")
        case "-": try number()
        case _ where isDigit: try number()
        default: throw unexpected()
        }
    }

    private mutating func object() throws(Fault) {
        position += 1
        skipSpace()
        if peek == "}" { return position += 1 }
        guard peek == "\"" else { throw at("Expected property name or '}' in JSON") }
        while true {
            try string()
            skipSpace()
            guard peek == ":" else { throw at("Expected ':' after property name in JSON") }
            position += 1
            try value()
            skipSpace()
            if peek == "}" { return position += 1 }
            guard peek == "," else { throw at("Expected ',' or '}' after property value in JSON") }
            position += 1
            skipSpace()
            guard peek == "\"" else { throw at("Expected double-quoted property name in JSON") }
        }
    }

    private mutating func array() throws(Fault) {
        position += 1
        skipSpace()
        if peek == "]" { return position += 1 }
        while true {
            try value()
            skipSpace()
            if peek == "]" { return position += 1 }
            guard peek == "," else { throw at("Expected ',' or ']' after array element in JSON") }
            position += 1
        }
    }

    private mutating func string() throws(Fault) {
        position += 1
        while let character = peek {
            switch character {
            case "\"": return position += 1
            case "\\": try escape()
            case "\0"..<" ": throw at("Bad control character in string literal in JSON")
            default: position += 1
            }
        }
        // Half of a surrogate pair is no scalar; peek shows it as U+FFFD, so only the end stops the loop.
        throw at("Unterminated string in JSON")
    }

    private mutating func escape() throws(Fault) {
        position += 1
        switch peek {
        case "\"", "\\", "/", "b", "f", "n", "r", "t": position += 1
        case "u":
            position += 1
            for _ in 0..<4 {
                guard peek?.properties.isASCIIHexDigit == true else { throw at("Bad Unicode escape in JSON") }
                position += 1
            }
        case nil: throw at("Unterminated string in JSON")
        default: throw at("Bad escaped character in JSON")
        }
    }

    private mutating func number() throws(Fault) {
        if peek == "-" {
            position += 1
            guard isDigit else { throw at("No number after minus sign in JSON") }
        }
        if peek == "0" { position += 1 } else { skipDigits() }
        if isDigit { throw at("Unexpected number in JSON") }
        if peek == "." {
            position += 1
            guard isDigit else { throw at("Unterminated fractional number in JSON") }
            skipDigits()
        }
        if peek == "e" || peek == "E" {
            position += 1
            if peek == "+" || peek == "-" { position += 1 }
            guard isDigit else { throw at("Exponent part is missing a number in JSON") }
            skipDigits()
        }
    }

    private mutating func literal(_ word: String) throws(Fault) {
        for scalar in word.unicodeScalars {
            guard peek == scalar else { throw unexpected() }
            position += 1
        }
    }

    private var isDigit: Bool {
        peek.map { ("0"..."9").contains($0) } ?? false
    }

    private mutating func skipDigits() {
        while isDigit { position += 1 }
    }

    private mutating func skipSpace() {
        while let character = peek, [" ", "\t", "\n", "\r"].contains(character) { position += 1 }
    }

    private var peek: Unicode.Scalar? {
        guard position < units.count else { return nil }
        return Unicode.Scalar(units[position]) ?? "\u{FFFD}"
    }

    private func at(_ message: String) -> Fault {
        let before = units[..<position]
        let line = before.count { $0 == 10 } + 1
        let column = position - (before.lastIndex(of: 10).map { $0 + 1 } ?? 0) + 1
        return Fault(message: "\(message) at position \(position) (line \(line) column \(column))")
    }

    /// V8 quotes the whole of a short text, and ten units around the fault of a long one.
    private func unexpected() -> Fault {
        guard position < units.count else { return Fault(message: "Unexpected end of JSON input") }
        let around = 10
        var (start, end) = (0, units.count)
        if units.count > 2 * around {
            start = max(0, position - around)
            end = min(units.count, position + around)
        }
        let token = String(decoding: [units[position]], as: UTF16.self)
        let quoted = String(decoding: units[start..<end], as: UTF16.self)
        let (before, after) = (start > 0 ? "..." : "", end < units.count ? "..." : "")
        return Fault(message: "Unexpected token '\(token)', \(before)\"\(quoted)\"\(after) is not valid JSON")
    }
}
