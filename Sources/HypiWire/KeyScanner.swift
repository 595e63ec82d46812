/// Finds the members of one JSON object in raw bytes without decoding any of them.
///
/// The hub reads a record's `type`, cuts out an `id` or drops a cumulative `partial` this way: the bytes that are not
/// of interest are stepped over, never copied. It checks nesting, not validity; members come in wire order, and
/// scanning stops where the caller stops asking.
///
/// ```
/// {"type":"message_update","assistantMessageEvent":{...},"message":{...}}
///  ^key   ^value            ^key                   ^value
/// ```
public struct KeyScanner {
    /// One member: both ranges are byte offsets into the scanned bytes.
    public struct Member: Equatable, Sendable {
        /// The name's content, without quotes and still escaped.
        public var key: Range<Int>
        /// The whole value, quotes and brackets included.
        public var value: Range<Int>

        /// The member from its opening quote to the end of its value.
        public var whole: Range<Int> {
            key.lowerBound - 1..<value.upperBound
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private var position: Int
    private var state: State

    private enum State {
        case first
        case later
        case ended(complete: Bool)
    }

    /// A scanner over the object in `bytes`; white space may stand before it.
    ///
    /// - Parameters:
    ///   - bytes: The bytes, which must outlive the scanner.
    ///   - start: Where the object begins; offsets in members count from the start of `bytes`.
    public init(_ bytes: UnsafeRawBufferPointer, from start: Int = 0) {
        self.bytes = bytes
        let opening = JSONScan.skipWhitespace(bytes, from: start)
        position = opening + 1
        let isObject = opening < bytes.count && bytes[opening] == UInt8(ascii: "{")
        state = isObject ? .first : .ended(complete: false)
    }

    /// Whether the whole object was stepped over and was closed; `false` before the end and for what is no object.
    public var isComplete: Bool {
        if case .ended(complete: true) = state { true } else { false }
    }

    /// Where the object ends (the offset behind its `}`); meaningful once ``isComplete``.
    public var end: Int {
        position
    }

    /// The next member, or `nil` at the end and at the first fault.
    public mutating func next() -> Member? {
        if case .ended = state { return nil }
        guard let member = scanMember() else { return nil }
        state = .later
        return member
    }

    /// The value of the first member named `key`, or `nil`; consumes members up to it.
    public mutating func value(of key: StaticString) -> Range<Int>? {
        while let member = next() {
            if matches(member.key, key) { return member.value }
        }
        return nil
    }

    /// Whether a range of the bytes is the content of a JSON string that says `text`.
    public func matches(_ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else {
            // A writer may escape any character of a name.
            guard range.count > text.utf8CodeUnitCount, bytes[range].contains(UInt8(ascii: "\\")) else { return false }
            let content = UnsafeRawBufferPointer(rebasing: bytes[range])
            return (try? JSONString.unescape(content, at: 0)) == "\(text)"
        }
        return UnsafeRawBufferPointer(rebasing: bytes[range])
            .elementsEqual(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func scanMember() -> Member? {
        position = JSONScan.skipWhitespace(bytes, from: position)
        guard position < bytes.count else { return fail() }
        if bytes[position] == UInt8(ascii: "}") {
            position += 1
            state = .ended(complete: true)
            return nil
        }
        if case .later = state {
            guard bytes[position] == UInt8(ascii: ",") else { return fail() }
            position = JSONScan.skipWhitespace(bytes, from: position + 1)
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\""),
            let keyEnd = JSONScan.endOfString(bytes, from: position + 1)
        else { return fail() }
        let key = position + 1..<keyEnd
        position = JSONScan.skipWhitespace(bytes, from: keyEnd + 1)
        guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else { return fail() }
        let valueStart = JSONScan.skipWhitespace(bytes, from: position + 1)
        guard let valueEnd = JSONScan.endOfValue(bytes, from: valueStart), valueEnd > valueStart else { return fail() }
        position = valueEnd
        return Member(key: key, value: valueStart..<valueEnd)
    }

    private mutating func fail() -> Member? {
        state = .ended(complete: false)
        return nil
    }
}
