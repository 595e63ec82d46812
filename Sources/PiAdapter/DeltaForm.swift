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
        var record = KeyScanner(bytes)
        var events: [Range<Int>] = []
        var cuts = ByteBuffer.cuts(&record) { scanner, member in
            if scanner.matches(member.key, "assistantMessageEvent") { events.append(member.value) }
            return scanner.matches(member.key, "message")
        }
        for event in events {
            var inner = KeyScanner(bytes, from: event.lowerBound)
            cuts += ByteBuffer.cuts(&inner) { $0.matches($1.key, "partial") }
        }
        return cuts.sorted { $0.lowerBound < $1.lowerBound }
    }
}
