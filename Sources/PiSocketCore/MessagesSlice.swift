import HypiWire
import NIOCore

/// A part of pi's `messages` array, cut out without decoding it.
struct MessagesSlice: Equatable {
    /// How many messages there are in all.
    var total: Int
    /// The index of the first message in the slice.
    var oldestIndex: Int
    /// The slice as a raw JSON array.
    var array: ByteBuffer
}

/// Where each message of pi's raw `messages` array lies; looked for once for all who wait.
///
/// Of a long conversation it holds the newest messages and the pages that were wanted when pi began to tell it.
struct MessageIndex {
    /// Messages on one history page; a larger limit is taken for this one.
    static let pageLimit = 1000

    private let messages: ByteBuffer
    private let ranges: [Range<Int>]
    /// The index of the first message that is held.
    private let oldestIndex: Int
    /// The older pages, by the message that follows.
    private let pages: [Int: MessageIndex]
    /// Bytes of the newest messages that are held in any case.
    private let byteCount: Int

    /// Finds the messages of a raw array; none in anything else.
    init(_ messages: ByteBuffer) {
        self.messages = messages
        ranges = messages.withUnsafeReadableBytes { bytes in
            var scanner = ElementScanner(bytes)
            var ranges: [Range<Int>] = []
            while let range = scanner.next() { ranges.append(range) }
            return ranges
        }
        oldestIndex = 0
        pages = [:]
        byteCount = .max
    }

    /// The newest messages of a conversation, and older pages of it.
    ///
    /// - Parameters:
    ///   - messages: Bytes in which the newest messages lie.
    ///   - ranges: Where, from the first readable byte on.
    ///   - oldestIndex: How many messages there are before them.
    ///   - pages: Older pages, each by the index of the message behind it.
    ///   - byteCount: How many bytes of messages were wanted at most.
    init(
        _ messages: ByteBuffer, ranges: [Range<Int>], oldestIndex: Int, pages: [Int: MessageIndex] = [:],
        byteCount: Int = 0
    ) {
        self.messages = messages
        self.ranges = ranges
        self.oldestIndex = oldestIndex
        self.pages = pages
        self.byteCount = byteCount
    }

    private var total: Int {
        oldestIndex + ranges.count
    }

    /// The newest messages that fit.
    ///
    /// At least one is taken where there is one and any are wanted, so that a long last message does not look like an
    /// empty conversation.
    ///
    /// - Returns: The messages; `nil` if more are wanted than are held.
    func newest(byteLimit: Int) -> MessagesSlice? {
        guard oldestIndex == 0 || min(byteLimit, Limits.recordBytes) <= byteCount else { return nil }
        var first = ranges.count
        var byteCount = 0
        while byteLimit > 0, first > 0 {
            byteCount += ranges[first - 1].count + 1
            if byteCount > byteLimit, first < ranges.count { break }
            first -= 1
        }
        return slice(first..<ranges.count)
    }

    /// Up to `limit` messages before the message `before`.
    ///
    /// - Returns: The page; `nil` if its messages are not held.
    func page(before: Int?, limit: Int) -> MessagesSlice? {
        let end = min(max(before ?? total, 0), total)
        let start = max(0, end - min(max(limit, 0), Self.pageLimit))
        if start == end { return MessagesSlice(total: total, oldestIndex: start, array: ByteBuffer(string: "[]")) }
        if start < oldestIndex, let page = pages[end] { return page.page(before: end, limit: limit) }
        // A part of a page is one, too: the next begins before it.
        return end > oldestIndex ? slice(max(0, start - oldestIndex)..<end - oldestIndex) : nil
    }

    private func slice(_ part: Range<Int>) -> MessagesSlice {
        var array = ByteBuffer(string: "[")
        if !part.isEmpty,
            let body = messages.getSlice(
                at: messages.readerIndex + ranges[part.lowerBound].lowerBound,
                length: ranges[part.upperBound - 1].upperBound - ranges[part.lowerBound].lowerBound)
        {
            array.writeImmutableBuffer(body)
        }
        array.writeString("]")
        return MessagesSlice(total: total, oldestIndex: oldestIndex + part.lowerBound, array: array)
    }
}
