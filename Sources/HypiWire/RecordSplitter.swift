public import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Cuts a byte stream into LF-delimited records, whatever way the stream was cut before.
///
/// LF is the only delimiter: U+2028 and U+2029 are data, a final CR is stripped (pi's `docs/rpc.md`, "Framing"). Bytes
/// are looked at once: a record that arrives in a thousand pieces costs no more than one that arrives whole. Records
/// share the storage they arrived in; only one that arrived in several pieces is copied.
public struct RecordSplitter {
    /// What the splitter found next.
    public enum Output: Equatable, Sendable {
        /// One record, without its LF and CR; may be empty.
        case record(ByteBuffer)
        /// A record longer than the limit: it was dropped, and this many bytes with it.
        case oversized(byteCount: Int)
    }

    private let limit: Int
    /// The beginning of a record whose LF has not come; a copy, so that the piece it came in is free for the next one.
    private var head = ByteBuffer()
    /// What arrived last, as far as it is not used yet.
    private var rest = ByteBuffer()
    /// Bytes dropped so far of a record that is too long; `nil` while none is being dropped.
    private var dropped: Int?

    /// A splitter for records of at most `limit` bytes.
    public init(limit: Int) {
        self.limit = limit
    }

    /// Takes the next piece of the stream.
    public mutating func append(_ bytes: ByteBuffer) {
        rest.gather(bytes)
    }

    /// The next complete record, or `nil` until more bytes arrive.
    public mutating func next() -> Output? {
        guard let length = lengthToNewline() else {
            keepRest()
            return nil
        }
        var record = rest.readSlice(length: length) ?? ByteBuffer()
        rest.moveReaderIndex(forwardBy: 1)
        if let dropped {
            self.dropped = nil
            return .oversized(byteCount: dropped + length)
        }
        if head.readableBytes > 0 {
            head.writeImmutableBuffer(record)
            record = head
            head = ByteBuffer()
        }
        guard record.readableBytes <= limit else { return .oversized(byteCount: record.readableBytes) }
        record.stripFinalCarriageReturn()
        return .record(record)
    }

    /// The beginning of a record whose end has not come, once ``next()`` has found no more; `nil` where there is none, or
    /// it is too long already.
    public var unfinished: ByteBuffer? {
        dropped == nil && head.readableBytes > 0 ? head : nil
    }

    /// Forgets that beginning: who calls this takes the record, up to and including its LF, elsewhere.
    public mutating func forgetUnfinished() {
        head = ByteBuffer()
    }

    /// What is left when the stream ends: a last record without LF, or `nil`.
    public mutating func finish() -> Output? {
        keepRest()
        defer {
            head = ByteBuffer()
            dropped = nil
        }
        if let dropped { return .oversized(byteCount: dropped) }
        guard head.readableBytes > 0 else { return nil }
        head.stripFinalCarriageReturn()
        return .record(head)
    }

    private func lengthToNewline() -> Int? {
        rest.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress, let end = memchr(start, CInt(UInt8(ascii: "\n")), bytes.count)
            else { return nil }
            return UnsafeRawPointer(end) - start
        }
    }

    /// What has no LF is the beginning of a record, or goes with one that is too long.
    private mutating func keepRest() {
        if dropped != nil || head.readableBytes + rest.readableBytes > limit + 1 {
            dropped = (dropped ?? 0) + head.readableBytes + rest.readableBytes
            head = ByteBuffer()
        } else {
            head.writeImmutableBuffer(rest)
        }
        rest = ByteBuffer()
    }
}

extension ByteBuffer {
    fileprivate mutating func stripFinalCarriageReturn() {
        guard readableBytes > 0, getInteger(at: writerIndex - 1, as: UInt8.self) == UInt8(ascii: "\r") else { return }
        moveWriterIndex(to: writerIndex - 1)
    }
}
