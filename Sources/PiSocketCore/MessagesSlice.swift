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

    /// The newest messages that fit.
    ///
    /// At least one is taken where there is one, so that a long last message does not look like an empty conversation.
    static func newest(of messages: ByteBuffer, byteLimit: Int) -> MessagesSlice {
        let ranges = elementRanges(messages)
        var first = ranges.count
        var byteCount = 0
        while first > 0 {
            byteCount += ranges[first - 1].count + 1
            if byteCount > byteLimit, first < ranges.count { break }
            first -= 1
        }
        return slice(messages, ranges, from: first, to: ranges.count)
    }

    /// Up to `limit` messages before the message `before`.
    static func page(of messages: ByteBuffer, before: Int?, limit: Int) -> MessagesSlice {
        let ranges = elementRanges(messages)
        let end = min(max(before ?? ranges.count, 0), ranges.count)
        return slice(messages, ranges, from: max(0, end - max(limit, 0)), to: end)
    }

    private static func elementRanges(_ messages: ByteBuffer) -> [Range<Int>] {
        messages.withUnsafeReadableBytes { bytes in
            var scanner = ElementScanner(bytes)
            var ranges: [Range<Int>] = []
            while let range = scanner.next() { ranges.append(range) }
            return ranges
        }
    }

    private static func slice(_ messages: ByteBuffer, _ ranges: [Range<Int>], from: Int, to: Int) -> MessagesSlice {
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
