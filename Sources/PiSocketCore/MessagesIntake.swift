import DequeModule
import HypiWire
import NIOCore

/// pi's answer to our `get_messages` while it arrives: it is checked as it comes, and of its messages only those are
/// kept that somebody waits for.
///
/// A conversation may be longer than any record may be, and than our memory; and whoever waits has the end of it soon
/// after pi wrote its last byte, since everything before has been looked at by then.
///
/// ```
/// {"id":"h7","type":"response","command":"get_messages","success":true,"data":{"messages":[m0,m1, ... ,m41,m4
///                                                                       let go of ->     |held ->
/// ```
struct MessagesIntake {
    /// What the ones who wait want of the conversation.
    struct Demand {
        /// Bytes of the newest messages.
        var byteCount = 0
        /// How many of the newest messages.
        var messageCount = 0
        /// Older pages: the index of the message behind each, and how many before it.
        var pages: [Int: Int] = [:]
    }

    /// What the beginning of a record says.
    enum Opening {
        /// It is our answer.
        case taken(MessagesIntake)
        /// It is another record, or told in another order than pi does.
        case declined
    }

    /// Why the answer cannot be used.
    enum Fault: Error {
        /// It is not JSON.
        case malformed
        /// A single message is longer than a record may be.
        case tooLong
    }

    /// Bytes that are let go of at once, so that what is held is not moved for each message.
    private static let releasedBytes = 1 << 20

    /// The members in front of the messages.
    private let head: JSONObject
    private var progress: JSONProgress
    private var bytes: ByteBuffer
    private var messages: Deque<Range<Int>> = []
    /// What those are long, each with a separator.
    private var byteCount = 0
    /// How many messages were let go of.
    private var releasedCount = 0
    private var pages: [Int: MessageIndex] = [:]
    private var isBehindMessages = false
    private(set) var fault: Fault?
    private let demand: Demand

    /// Looks at the beginning of a record.
    ///
    /// - Parameters:
    ///   - bytes: What has come of it.
    ///   - demand: What is wanted of its messages.
    ///   - isOurs: Whether we asked for messages under an id.
    /// - Returns: The answer, to be given the rest of it, or that it is none.
    static func open(_ bytes: ByteBuffer, _ demand: Demand, isOurs: (String) -> Bool) -> Opening {
        var progress = JSONProgress(depthLimit: 3)
        guard let head = readHead(bytes, &progress),
            head["type"] == "response", head["command"] == "get_messages", head["id"]?.string.map(isOurs) == true
        else { return .declined }
        var intake = MessagesIntake(head: head, progress: progress, bytes: bytes, demand: demand)
        intake.advance()
        return .taken(intake)
    }

    private init(head: JSONObject, progress: JSONProgress, bytes: ByteBuffer, demand: Demand) {
        self.head = head
        self.progress = progress
        self.bytes = bytes
        self.demand = demand
    }

    /// The members in front of `data`, whose first member is the array of messages; `nil` if it is not so.
    private static func readHead(_ bytes: ByteBuffer, _ progress: inout JSONProgress) -> JSONObject? {
        bytes.withUnsafeReadableBytes { raw in
            var head: JSONObject = [:]
            var key = ""
            while true {
                switch progress.next(raw) {
                case .key(let range):
                    key = String(decoding: raw[range], as: UTF8.self)
                    if progress.depth == 2, key != "messages" { return nil }
                case .value(let range): head[key] = try? JSON(parsing: ByteBuffer(bytes: raw[range]))
                case .opened(isObject: true) where progress.depth == 1: continue
                case .opened(isObject: true) where progress.depth == 2 && key == "data": continue
                case .opened(isObject: false) where progress.depth == 3: return head
                case .opened, .exhausted, .fault: return nil
                }
            }
        }
    }

    /// Takes the next piece of the record.
    mutating func append(_ piece: ByteBuffer) {
        guard fault == nil else { return }
        bytes.writeImmutableBuffer(piece)
        advance()
    }

    private mutating func advance() {
        while fault == nil {
            let event = bytes.withUnsafeReadableBytes { progress.next($0) }
            switch event {
            case .value(let range) where progress.depth == 3 && !isBehindMessages: take(range)
            case .value where progress.depth == 2: isBehindMessages = true
            case .key, .opened, .value: continue
            case .exhausted: return releaseBytes()
            case .fault: fail(.malformed)
            }
        }
    }

    private mutating func take(_ message: Range<Int>) {
        messages.append(message)
        byteCount += message.count + 1
        let count = releasedCount + messages.count
        if let limit = demand.pages[count] { keepPage(before: count, limit) }
        while let oldest = messages.first, messages.count > 1 {
            let byteCountBehind = byteCount - oldest.count - 1
            let isNeedless = messages.count > demand.messageCount && byteCountBehind >= demand.byteCount
            guard isNeedless || byteCount > Limits.recordBytes else { break }
            messages.removeFirst()
            byteCount = byteCountBehind
            releasedCount += 1
        }
    }

    /// Copies a page before its messages are let go of.
    private mutating func keepPage(before end: Int, _ limit: Int) {
        let part = messages.suffix(limit)
        guard let start = part.first?.lowerBound, let stop = part.last?.upperBound else { return }
        let copy = bytes.withUnsafeReadableBytes { ByteBuffer(bytes: $0[start..<stop]) }
        pages[end] = MessageIndex(
            copy, ranges: part.map { $0.lowerBound - start..<$0.upperBound - start }, oldestIndex: end - part.count)
    }

    /// Lets go of the bytes in front of the messages that are held.
    private mutating func releaseBytes() {
        let start = messages.first?.lowerBound ?? 0
        if bytes.readableBytes - (messages.last?.upperBound ?? start) > Limits.recordBytes { return fail(.tooLong) }
        guard start >= max(Self.releasedBytes, bytes.readableBytes - start) else { return }
        var rest = ByteBuffer()
        rest.reserveCapacity(bytes.readableBytes - start + Self.releasedBytes)
        rest.writeBytes(bytes.readableBytesView.dropFirst(start))
        bytes = rest
        progress.discard(start)
        for index in messages.indices {
            messages[index] = messages[index].lowerBound - start..<messages[index].upperBound - start
        }
    }

    private mutating func fail(_ fault: Fault) {
        self.fault = fault
        bytes = ByteBuffer()
        messages = []
        pages = [:]
    }

    /// Whether the record may end here.
    var isComplete: Bool {
        fault == nil && progress.isComplete
    }

    /// The record is at its end.
    ///
    /// - Returns: The answer without its messages, and the messages that were wanted; none if it
    ///   cannot be used, which the answer then says of itself.
    mutating func finish() -> (answer: ByteBuffer, messages: MessageIndex?) {
        if fault == nil, !progress.isComplete { fail(.malformed) }
        var answer = head
        if fault != nil { answer["success"] = false }
        let index = MessageIndex(
            bytes, ranges: Array(messages), oldestIndex: releasedCount, pages: pages, byteCount: demand.byteCount)
        return (JSON.object(answer).buffer, fault == nil ? index : nil)
    }
}
