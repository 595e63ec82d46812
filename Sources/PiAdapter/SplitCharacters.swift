import HypiWire
public import NIOCore

/// Joins characters that pi has cut in two: a provider may send the two halves of a surrogate pair in two deltas.
///
/// A reader that decodes each delta by itself would get two replacement characters. The first half is taken out of its
/// delta and put in front of the next one of the same block, so the deltas together say the same.
///
/// ```
/// {"type":"text_delta","contentIndex":0,"delta":"green \ud83d"}     ->  "green "
/// {"type":"text_delta","contentIndex":0,"delta":"\ude00 done"}      ->  "\ud83d\ude00 done"
/// ```
public struct SplitCharacters: Sendable {
    /// First halves that wait, by the block (or the command) they belong to; each is one escape.
    private var halves: [ByteBuffer: ByteBuffer] = [:]

    /// Nothing waits.
    public init() {}

    /// Some blocks of a message that is under way end with a half.
    public init(halves: [Int: ByteBuffer]) {
        for (index, half) in halves { self.halves[ByteBuffer(string: "\(index)")] = half }
    }

    /// The record with whole characters in its delta; any other record as it is.
    ///
    /// - Parameters:
    ///   - line: The record, or a frame that carries it as `payload`.
    ///   - kind: What it is.
    /// - Returns: The same bytes but for the halves.
    public mutating func join(_ line: ByteBuffer, _ kind: PiRecord.Kind) -> ByteBuffer {
        switch kind {
        case .messageUpdate, .bashUpdate: break
        case .messageStart, .messageEnd, .agentEnd:
            halves = [:]
            return line
        default: return line
        }
        guard let delta = Self.delta(of: line, kind) else { return line }
        let held = halves.removeValue(forKey: delta.block)
        let half = line.withUnsafeReadableBytes { Self.half(atEndOf: $0[delta.content]) }
        guard held != nil || half else { return line }
        var content = held ?? ByteBuffer()
        let end = delta.content.upperBound - (half ? Self.escapeBytes : 0)
        if half { halves[delta.block] = line.getSlice(at: line.readerIndex + end, length: Self.escapeBytes) }
        if let rest = line.getSlice(
            at: line.readerIndex + delta.content.lowerBound, length: end - delta.content.lowerBound)
        {
            content.writeImmutableBuffer(rest)
        }
        return line.replacing([delta.content], with: content)
    }

    /// The same for a frame that carries the record as `payload`, or is the record.
    public mutating func join(frame: ByteBuffer) -> ByteBuffer {
        let type = (frame.value(of: "payload") ?? frame).value(of: "type").map { String(buffer: $0) }
        return join(frame, type.flatMap { PiRecord.Kind(rawValue: String($0.dropFirst().dropLast())) } ?? .other)
    }

    /// How long `\ud83d` is.
    static let escapeBytes = 6

    /// Whether the content of a JSON string ends with the first half of a surrogate pair.
    static func half(atEndOf content: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard content.count >= escapeBytes else { return false }
        let start = content.endIndex - escapeBytes
        guard content[start] == UInt8(ascii: "\\"), content[start + 1] == UInt8(ascii: "u"),
            content[start + 2] | 0x20 == UInt8(ascii: "d"), "89abAB".utf8.contains(content[start + 3])
        else { return false }
        // The backslash may itself be escaped, and is then a character like any other.
        let backslashes = content[..<start].reversed().prefix { $0 == UInt8(ascii: "\\") }
        return backslashes.count.isMultiple(of: 2)
    }

    /// Where the content of a record's delta lies, and which block it belongs to.
    private static func delta(of line: ByteBuffer, _ kind: PiRecord.Kind) -> (content: Range<Int>, block: ByteBuffer)? {
        let ranges = line.withUnsafeReadableBytes { bytes -> (delta: Range<Int>, block: Range<Int>?)? in
            var start = 0
            var frame = KeyScanner(bytes)
            if let payload = frame.value(of: "payload") { start = payload.lowerBound }
            if kind == .messageUpdate {
                var record = KeyScanner(bytes, from: start)
                guard let event = record.value(of: "assistantMessageEvent") else { return nil }
                start = event.lowerBound
            }
            var (delta, block) = (Range<Int>?.none, Range<Int>?.none)
            var event = KeyScanner(bytes, from: start)
            while let member = event.next() {
                if event.matches(member.key, "delta") { delta = member.value }
                if event.matches(member.key, kind == .messageUpdate ? "contentIndex" : "id") { block = member.value }
            }
            guard let delta, delta.count >= 2, bytes[delta.lowerBound] == UInt8(ascii: "\"") else { return nil }
            return (delta, block)
        }
        guard let ranges else { return nil }
        let block = ranges.block.flatMap { line.getSlice(at: line.readerIndex + $0.lowerBound, length: $0.count) }
        return (ranges.delta.lowerBound + 1..<ranges.delta.upperBound - 1, block ?? ByteBuffer())
    }
}
