public import HypiWire

/// The text of an answer as it grows: every character once, in order, whatever happens to the connection.
///
/// Text is put together from deltas by `contentIndex`; `message_end` has the last word and brings what no delta brought.
/// Texts of several messages or blocks stand on lines of their own.
public struct AnswerText: Sendable {
    /// What was printed is not how the agent's text begins.
    public struct Divergence: Error, Sendable, Equatable {}

    /// All that was given out, in UTF-8.
    public private(set) var printed: [UInt8] = []
    /// Texts of the message that is under way, by `contentIndex`.
    private var blocks: [Int: [UInt8]] = [:]

    /// An empty answer.
    public init() {}

    /// A message begins.
    public mutating func begin() {
        blocks = [:]
    }

    /// A message is under way: its text so far comes out, unless it came out before.
    public mutating func begin(partial message: JSON) -> [UInt8] {
        blocks = [:]
        return Self.texts(of: message).flatMap { give($0.text, to: $0.index) }
    }

    /// Takes a piece of text.
    ///
    /// - Returns: What is to be printed.
    public mutating func append(_ delta: String, at index: Int) -> [UInt8] {
        give(Array(delta.utf8), to: index)
    }

    /// Takes the whole message.
    ///
    /// - Returns: What no delta brought.
    /// - Throws: ``Divergence`` if the deltas said something else.
    public mutating func end(_ message: JSON) throws(Divergence) -> [UInt8] {
        defer { blocks = [:] }
        var rest: [UInt8] = []
        for (index, text) in Self.texts(of: message) {
            let known = blocks[index] ?? []
            guard text.starts(with: known) else { throw Divergence() }
            rest += give(Array(text[known.count...]), to: index)
        }
        return rest
    }

    /// Takes the answer as a snapshot has it, after a gap in the stream.
    ///
    /// - Parameters:
    ///   - messages: The answer's assistant messages.
    ///   - partial: The one that is under way.
    /// - Returns: What was not printed yet.
    /// - Throws: ``Divergence`` if what was printed is no prefix of it.
    public mutating func rebuild(messages: [JSON], partial: JSON?) throws(Divergence) -> [UInt8] {
        var whole = AnswerText()
        for message in messages {
            whole.begin()
            _ = try whole.end(message)
        }
        if let partial { _ = whole.begin(partial: partial) }
        guard whole.printed.starts(with: printed) else { throw Divergence() }
        let rest = Array(whole.printed[printed.count...])
        self = whole
        return rest
    }

    /// What was given out so far is not part of what will be printed.
    mutating func forgetPrinted() {
        printed = []
    }

    /// The line break that ends the answer, unless it ends with one or is empty.
    public mutating func finish() -> [UInt8] {
        guard let last = printed.last, last != UInt8(ascii: "\n") else { return [] }
        printed.append(UInt8(ascii: "\n"))
        return [UInt8(ascii: "\n")]
    }

    private mutating func give(_ text: [UInt8], to index: Int) -> [UInt8] {
        guard !text.isEmpty else { return [] }
        var piece = text
        let isFirst = blocks[index] == nil
        blocks[index, default: []] += text
        if isFirst, let last = printed.last, last != UInt8(ascii: "\n") { piece.insert(UInt8(ascii: "\n"), at: 0) }
        printed += piece
        return piece
    }

    private static func texts(of message: JSON) -> [(index: Int, text: [UInt8])] {
        if let text = message["content"]?.string { return [(0, Array(text.utf8))] }
        return (message["content"]?.array ?? []).enumerated().compactMap { index, block in
            guard block["type"]?.string == "text", let text = block["text"]?.string else { return nil }
            return (index, Array(text.utf8))
        }
    }
}

/// What is looked at in messages of pi.
enum MessageText {
    /// The text of a message: its text blocks, or its content where that is a mere string.
    static func plain(_ message: JSON) -> String {
        if let text = message["content"]?.string { return text }
        return (message["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined(separator: "\n")
    }

    /// Whether a message is of a role.
    static func isRole(_ role: String, _ message: JSON?) -> Bool {
        message?["role"]?.string == role
    }
}
