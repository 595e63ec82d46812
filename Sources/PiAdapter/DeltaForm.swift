import HypiWire
public import NIOCore

/// The record as a viewer with `stream: "delta"` gets it: without what repeats the whole message in every update.
///
/// pi before 0.84 puts the message so far into each `message_update` twice, as `message` and as
/// `assistantMessageEvent.partial`: 27 MB for an answer of 10 KB. Later versions leave both out themselves.
extension PiRecord {
    /// The line without `message` and `assistantMessageEvent.partial`, if this is an update that has them.
    public var deltaForm: ByteBuffer {
        guard kind == .messageUpdate else { return line }
        let cuts = line.withUnsafeReadableBytes(Self.cumulativeRanges)
        return cuts.isEmpty ? line : line.removing(cuts)
    }

    /// Whether this is an update that carries the whole message so far.
    public var isCumulative: Bool {
        kind == .messageUpdate && value(of: "message") != nil
    }

    private static func cumulativeRanges(_ bytes: UnsafeRawBufferPointer) -> [Range<Int>] {
        var cuts: [Range<Int>] = []
        var record = KeyScanner(bytes)
        while let member = record.next() {
            if record.matches(member.key, "message") {
                cuts.append(member.whole)
            } else if record.matches(member.key, "assistantMessageEvent") {
                var event = KeyScanner(bytes, from: member.value.lowerBound)
                while let inner = event.next() {
                    if event.matches(inner.key, "partial") { cuts.append(inner.whole) }
                }
            }
        }
        return cuts
    }
}

extension ByteBuffer {
    /// A copy without some members of objects, and without the comma that stood before (or behind) each.
    fileprivate func removing(_ members: [Range<Int>]) -> ByteBuffer {
        var result = ByteBuffer()
        result.reserveCapacity(readableBytes)
        var position = 0
        for member in members.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            var start = member.lowerBound
            var end = member.upperBound
            if start > position, byte(start - 1) == UInt8(ascii: ",") {
                start -= 1
            } else if end < readableBytes, byte(end) == UInt8(ascii: ",") {
                end += 1
            }
            if let kept = getSlice(at: readerIndex + position, length: start - position) {
                result.writeImmutableBuffer(kept)
            }
            position = end
        }
        if let rest = getSlice(at: readerIndex + position, length: readableBytes - position) {
            result.writeImmutableBuffer(rest)
        }
        return result
    }

    /// A copy without one member of the object in the readable bytes.
    package func removingValue(of key: StaticString) -> ByteBuffer {
        let range = withUnsafeReadableBytes { bytes -> Range<Int>? in
            var scanner = KeyScanner(bytes)
            while let member = scanner.next() {
                if scanner.matches(member.key, key) { return member.whole }
            }
            return nil
        }
        return range.map { removing([$0]) } ?? self
    }

    private func byte(_ offset: Int) -> UInt8? {
        getInteger(at: readerIndex + offset, as: UInt8.self)
    }
}
