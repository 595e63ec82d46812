import HypiWire
import NIOCore

/// A part of pi's `messages` array, cut out without decoding it.
struct MessagesSlice {
    /// How many messages there are in all.
    var total: Int
    /// The index of the first message in the slice.
    var oldestIndex: Int
    /// The slice as a raw JSON array.
    var array: ByteBuffer
}

/// Where each message of pi's raw `messages` array lies; looked for once for all who wait.
struct MessageIndex {
    /// Messages on one history page; a larger limit is taken for this one.
    static let pageLimit = 1000

    private let messages: ByteBuffer
    private let ranges: [Range<Int>]

    /// Finds the messages of a raw array; none in anything else.
    init(_ messages: ByteBuffer) {
        self.messages = messages
        ranges = messages.withUnsafeReadableBytes { bytes in
            var scanner = ElementScanner(bytes)
            var ranges: [Range<Int>] = []
            while let range = scanner.next() { ranges.append(range) }
            return ranges
        }
    }

    /// The newest messages that fit.
    ///
    /// At least one is taken where there is one and any are wanted, so that a long last message does not look like an
    /// empty conversation.
    func newest(byteLimit: Int) -> MessagesSlice {
        var first = ranges.count
        var byteCount = 0
        while byteLimit > 0, first > 0 {
            byteCount += ranges[first - 1].count + 1
            if byteCount > byteLimit, first < ranges.count { break }
            first -= 1
        }
        return slice(from: first, to: ranges.count)
    }

    /// Up to `limit` messages before the message `before`.
    func page(before: Int?, limit: Int) -> MessagesSlice {
        let end = min(max(before ?? ranges.count, 0), ranges.count)
        return slice(from: max(0, end - min(max(limit, 0), Self.pageLimit)), to: end)
    }

    private func slice(from: Int, to: Int) -> MessagesSlice {
        var array = ByteBuffer(string: "[")
        if from < to,
            let body = messages.getSlice(
                at: messages.readerIndex + ranges[from].lowerBound,
                length: ranges[to - 1].upperBound - ranges[from].lowerBound)
        {
            array.writeImmutableBuffer(body)
        }
        array.writeString("]")
        return MessagesSlice(total: ranges.count, oldestIndex: from, array: array)
    }
}
