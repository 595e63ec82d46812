/// Splits what a keyboard sends into keys and pastes.
///
/// Readline cannot tell the Esc key from the beginning of an escape sequence while it is driven by callbacks: it waits
/// for the next key and swallows it. So sequences are put together here, and a lone ESC becomes a key after a short
/// time. A paste is collected here, too, so that nobody waits for its end.
struct KeyboardScanner {
    /// One unit of input.
    enum Key: Equatable {
        /// A key: one character or one whole escape sequence.
        case bytes([UInt8])
        /// The Esc key.
        case escape
        /// A bracketed paste; `isWhole` is false where its end was too far away and was left out.
        case paste(String, isWhole: Bool)
        /// The terminal's answer to a question about the cursor, from 1.
        case cursor(row: Int)
    }

    /// The longest paste in bytes, which is also the longest message that an agent takes.
    static let pasteLimit = 8 << 20
    /// The longest escape sequence that is waited for.
    private static let sequenceLimit = 64
    private static let escape: UInt8 = 0x1B
    private static let pasteEnd: [UInt8] = Array("\u{1B}[201~".utf8)

    private var buffer: [UInt8] = []
    private var paste: [UInt8]?
    private var isPasteCut = false
    /// How often the terminal was asked where the cursor is; without that its answer looks like a function key.
    var expectedAnswers = 0

    /// Whether a sequence has begun that may be complete as it is.
    var isWaiting: Bool { paste == nil && !buffer.isEmpty }

    /// Takes bytes.
    ///
    /// - Returns: The keys that are complete now.
    mutating func feed(_ bytes: some Sequence<UInt8>) -> [Key] {
        var keys: [Key] = []
        let wasEscape = isWaiting && buffer == [Self.escape]
        buffer += bytes
        // A terminal sends Alt and a key in one piece; only long sequences may be cut by a slow network.
        if wasEscape, buffer.count > 1, buffer[1] != UInt8(ascii: "["), buffer[1] != UInt8(ascii: "O") {
            buffer.removeFirst()
            keys.append(.escape)
        }
        while let key = next() { keys.append(key) }
        return keys
    }

    /// Nothing more has come in time: what waits is all there is.
    mutating func timeOut() -> [Key] {
        guard isWaiting else { return [] }
        defer { buffer = [] }
        return [buffer == [Self.escape] ? .escape : .bytes(buffer)]
    }

    private mutating func next() -> Key? {
        if paste != nil { return collect() }
        guard let first = buffer.first else { return nil }
        if first == Self.escape { return sequence() }
        let length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
        return buffer.count < length ? nil : take(length)
    }

    private mutating func take(_ count: Int) -> Key {
        defer { buffer.removeFirst(count) }
        return .bytes(Array(buffer.prefix(count)))
    }

    private mutating func sequence() -> Key? {
        guard buffer.count > 1 else { return nil }
        switch buffer[1] {
        case Self.escape:
            buffer.removeFirst()
            return .escape
        case UInt8(ascii: "["): return controlSequence()
        case UInt8(ascii: "O"): return buffer.count < 3 ? nil : take(3)
        case let second:
            let length = second < 0xC0 ? 2 : second < 0xE0 ? 3 : second < 0xF0 ? 4 : 5
            return buffer.count < length ? nil : take(length)
        }
    }

    /// `ESC [`, parameters, a letter (ECMA-48 section 5.4); the Linux console sends `ESC [ [ A` for F1.
    private mutating func controlSequence() -> Key? {
        if buffer.count > 2, buffer[2] == UInt8(ascii: "[") { return buffer.count < 4 ? nil : take(4) }
        guard let end = buffer.dropFirst(2).firstIndex(where: { !(0x20...0x3F).contains($0) }) else {
            return buffer.count > Self.sequenceLimit ? take(buffer.count) : nil
        }
        let parameters = String(decoding: buffer[2..<end], as: UTF8.self)
        let final = buffer[end]
        if final == UInt8(ascii: "~"), parameters == "200" {
            buffer.removeFirst(end + 1)
            paste = []
            isPasteCut = false
            return next()
        }
        let numbers = parameters.split(separator: ";").map { Int($0) }
        if expectedAnswers > 0, final == UInt8(ascii: "R"), numbers.count == 2, let row = numbers[0] {
            expectedAnswers -= 1
            buffer.removeFirst(end + 1)
            return .cursor(row: row)
        }
        return take(end + 1)
    }

    private mutating func collect() -> Key? {
        if let end = buffer.firstRange(of: Self.pasteEnd) {
            keep(buffer[..<end.lowerBound])
            buffer.removeFirst(end.upperBound)
            defer { paste = nil }
            return .paste(Self.text(paste ?? []), isWhole: !isPasteCut)
        }
        // The end may be cut in two by the terminal's buffer.
        let open = (1..<Self.pasteEnd.count).last { buffer.suffix($0).elementsEqual(Self.pasteEnd.prefix($0)) } ?? 0
        keep(buffer.dropLast(open))
        buffer = Array(buffer.suffix(open))
        return nil
    }

    private mutating func keep(_ bytes: ArraySlice<UInt8>) {
        let room = Self.pasteLimit - (paste?.count ?? 0)
        isPasteCut = isPasteCut || bytes.count > room
        paste?.append(contentsOf: bytes.prefix(max(0, room)))
    }

    /// Terminals send a carriage return for each line break.
    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.filter { $0 != 0 }, as: UTF8.self)
            .replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    }
}
