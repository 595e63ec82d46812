/// Checks a JSON value while it arrives, piece by piece, and says where the values near its top lie; the sibling of
/// ``JSONValidator`` for what is too long to wait for.
///
/// Every byte is looked at once, however the pieces were cut. The caller keeps the bytes, gives the same ones again with
/// more behind them, and may drop some from the front (``discard(_:)``) that it does not need any more.
///
/// ```
/// {"data":{"messages":[{...},{...
///  ^key    ^key       ^opened ^value of depth 3, once it is complete
/// ```
public struct JSONProgress {
    /// What comes next; offsets count from the start of the bytes given.
    public enum Event: Equatable, Sendable {
        /// The name of a member, without quotes and still escaped.
        case key(Range<Int>)
        /// An object or an array begins; its members or elements follow.
        case opened(isObject: Bool)
        /// A value is complete.
        case value(Range<Int>)
        /// Everything was looked at, and more may follow.
        case exhausted
        /// This is no JSON (RFC 8259) in UTF-8, whatever follows.
        case fault
    }

    /// What may stand where we are.
    enum Place {
        case value, firstElement, firstKey, key, colon, behindValue, text(isKey: Bool), number(NumberScan), end
    }

    /// Containers that are reported on, and with them the members and elements right inside.
    private let depthLimit: Int
    var place = Place.value
    var position = 0
    /// Where the scalar begins that we are in.
    var tokenStart = 0
    /// The containers that are open: true for an object.
    private var open: [Bool] = []
    /// Where those begin that are reported on.
    private var starts: [Int] = []

    /// - Parameter depthLimit: How deep to report: 1 for the members of the outermost object.
    public init(depthLimit: Int) {
        self.depthLimit = depthLimit
    }

    /// How many containers are open.
    public var depth: Int {
        open.count
    }

    /// Whether the value is complete, with nothing but white space behind it so far.
    public var isComplete: Bool {
        switch place {
        case .end: true
        case .number(let scan): open.isEmpty && scan.isAccepted
        default: false
        }
    }

    /// Bytes from the front are not given again; values that began in them are reported with a negative start.
    public mutating func discard(_ count: Int) {
        position -= count
        tokenStart -= count
        for index in starts.indices { starts[index] -= count }
    }

    /// Goes on to the next event.
    ///
    /// - Parameter bytes: All bytes so far that were not discarded.
    /// - Returns: The event; the same again behind the end or a fault.
    public mutating func next(_ bytes: UnsafeRawBufferPointer) -> Event {
        while true {
            switch step(bytes) {
            case .nothing: continue
            case .event(let event): return event
            }
        }
    }

    private enum Step {
        case nothing
        case event(Event)
    }

    private mutating func step(_ bytes: UnsafeRawBufferPointer) -> Step {
        switch place {
        case .text(let isKey): return ended(takeText(bytes), isKey: isKey)
        case .number(let scan): return ended(takeNumber(bytes, scan), isKey: false)
        default: break
        }
        position = JSONScan.skipWhitespace(bytes, from: position)
        guard position < bytes.count else { return .event(.exhausted) }
        let byte = bytes[position]
        switch place {
        case .firstElement where byte == UInt8(ascii: "]"), .firstKey where byte == UInt8(ascii: "}"): return close()
        case .value, .firstElement: return beginValue(bytes, byte)
        case .key, .firstKey:
            guard byte == UInt8(ascii: "\"") else { return .event(.fault) }
            return begin(.text(isKey: true), skipping: 1)
        case .colon:
            guard byte == UInt8(ascii: ":") else { return .event(.fault) }
            return begin(.value, skipping: 1)
        default: return takeBehindValue(byte)
        }
    }

    private mutating func begin(_ place: Place, skipping count: Int) -> Step {
        tokenStart = position
        position += count
        self.place = place
        return .nothing
    }

    private mutating func beginValue(_ bytes: UnsafeRawBufferPointer, _ byte: UInt8) -> Step {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            if open.count <= depthLimit { starts.append(position) }
            let isObject = byte == UInt8(ascii: "{")
            open.append(isObject)
            position += 1
            place = isObject ? .firstKey : .firstElement
            return open.count <= depthLimit ? .event(.opened(isObject: isObject)) : .nothing
        case UInt8(ascii: "\""): return begin(.text(isKey: false), skipping: 1)
        case UInt8(ascii: "t"): return takeWord(bytes, "true")
        case UInt8(ascii: "f"): return takeWord(bytes, "false")
        case UInt8(ascii: "n"): return takeWord(bytes, "null")
        default: return begin(.number(.start), skipping: 0)
        }
    }

    private mutating func takeBehindValue(_ byte: UInt8) -> Step {
        guard let isObject = open.last else { return .event(.fault) }
        switch byte {
        case UInt8(ascii: ","): return begin(isObject ? .key : .value, skipping: 1)
        case isObject ? UInt8(ascii: "}") : UInt8(ascii: "]"): return close()
        default: return .event(.fault)
        }
    }

    private mutating func close() -> Step {
        position += 1
        open.removeLast()
        place = open.isEmpty ? .end : .behindValue
        guard open.count <= depthLimit, let start = starts.popLast() else { return .nothing }
        return .event(.value(start..<position))
    }

    private mutating func takeWord(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Step {
        let count = min(word.utf8CodeUnitCount, bytes.count - position)
        let expected = UnsafeRawBufferPointer(start: word.utf8Start, count: count)
        guard bytes[position..<position + count].elementsEqual(expected) else { return .event(.fault) }
        guard count == word.utf8CodeUnitCount else { return .event(.exhausted) }
        tokenStart = position
        position += count
        return ended(.end, isKey: false)
    }

    /// What became of a scalar.
    enum Token {
        case end, exhausted, fault
    }

    private mutating func ended(_ token: Token, isKey: Bool) -> Step {
        switch token {
        case .exhausted: return .event(.exhausted)
        case .fault: return .event(.fault)
        case .end: break
        }
        if isKey {
            place = .colon
            return open.count <= depthLimit ? .event(.key(tokenStart + 1..<position - 1)) : .nothing
        }
        place = open.isEmpty ? .end : .behindValue
        return open.count <= depthLimit ? .event(.value(tokenStart..<position)) : .nothing
    }
}
