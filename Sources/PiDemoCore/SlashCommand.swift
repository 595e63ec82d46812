import HypiWire

/// What a prompt that starts with one of our slash commands asks for.
enum SlashCommand: Equatable {
    /// Opens these dialogs, one after the other.
    case ask([Dialog.Kind], timeoutMilliseconds: Int?, keepsAnswers: Bool)
    case notify(String)
    /// A line on stdout that is no JSON.
    case noise
    case crash
    /// A turn of the agent, with the prompt as it stands.
    case turn(Turn)

    /// The turns that a test or a demonstration can order.
    enum Turn: Equatable, Sendable {
        case long(characters: Int)
        case error
        case retry(failures: Int)
        case hang
        case tools(count: Int)
        case big(byteCount: Int)
    }

    /// A command of ours that was called wrongly; shown as pi shows an extension command that throws.
    struct Misuse: Error, Equatable {
        let command: String
        let reason: String
    }

    /// The names and descriptions, in the order in which `get_commands` lists them.
    static let catalogue: [(name: String, description: String)] = [
        ("ask", "Open dialogs: select | confirm | input | editor | all [--timeout MS] [--keep]"),
        ("long", "An answer of N characters (1000)"),
        ("error", "The provider refuses: an answer that ends in an error"),
        ("retry", "The provider is overloaded N times (1), then answers"),
        ("crash", "End at once with status 1"),
        ("hang", "An answer that stops in the middle until it is aborted"),
        ("tool", "N tool calls in one turn (3)"),
        ("notify", "Show a notification"),
        ("noise", "Print a line that is not JSON"),
        ("big", "A tool result of BYTES bytes (100000)"),
    ]

    /// The most characters, bytes and calls that one command may order.
    static let charactersLimit = 16 << 20
    static let callsLimit = 64

    /// The command in a prompt; `nil` if the prompt is none of ours and goes to the model.
    static func parse(_ prompt: String) throws(Misuse) -> SlashCommand? {
        guard prompt.hasPrefix("/") else { return nil }
        let line = prompt.dropFirst()
        let name = String(line.prefix { !$0.isWhitespace })
        let rest = line.dropFirst(name.count).drop { $0.isWhitespace }
        let words = rest.split { $0.isWhitespace }.map(String.init)
        switch name {
        case "ask": return try parseAsk(words)
        case "notify": return .notify(String(rest))
        case "noise": return .noise
        case "crash": return .crash
        case "error": return .turn(.error)
        case "hang": return .turn(.hang)
        case "long": return .turn(.long(characters: try number(name, words, 1000, charactersLimit)))
        case "retry": return .turn(.retry(failures: try number(name, words, 1, 100)))
        case "tool": return .turn(.tools(count: try number(name, words, 3, callsLimit)))
        case "big": return .turn(.big(byteCount: try number(name, words, 100_000, charactersLimit)))
        default: return nil
        }
    }

    private static func number(
        _ name: String, _ words: [String], _ standard: Int, _ limit: Int
    ) throws(Misuse) -> Int {
        guard let word = words.first else { return standard }
        guard let value = Int(word), (0...limit).contains(value) else {
            throw Misuse(command: name, reason: "\(name): not a number from 0 to \(limit): \(word)")
        }
        return value
    }

    private static func parseAsk(_ words: [String]) throws(Misuse) -> SlashCommand {
        var words = words
        let keepsAnswers = words.contains("--keep")
        words.removeAll { $0 == "--keep" }
        var timeout: Int?
        if let option = words.firstIndex(of: "--timeout") {
            guard option + 1 < words.count, let value = Int(words[option + 1]), value > 0 else {
                throw Misuse(command: "ask", reason: "ask: --timeout needs milliseconds")
            }
            timeout = value
            words.removeSubrange(option...option + 1)
        }
        let word = words.first ?? "all"
        guard let kinds = word == "all" ? Dialog.Kind.allCases : Dialog.Kind(rawValue: word).map({ [$0] }) else {
            throw Misuse(command: "ask", reason: "ask: unknown dialog: \(word)")
        }
        return .ask(kinds, timeoutMilliseconds: timeout, keepsAnswers: keepsAnswers)
    }
}
