public import NIOCore

/// Cuts a byte stream into LF-delimited records, whatever way the stream was cut before.
///
/// LF is the only delimiter: U+2028 and U+2029 are data, a final CR is stripped (pi's `docs/rpc.md`, "Framing"). Bytes
/// are looked at once: a record that arrives in a thousand pieces costs no more than one that arrives whole. Records
/// share the storage they arrived in.
public struct RecordSplitter {
    /// What the splitter found next.
    public enum Output: Equatable, Sendable {
        /// One record, without its LF and CR; may be empty.
        case record(ByteBuffer)
        /// A record longer than the limit: it was dropped, and this many bytes with it.
        case oversized(byteCount: Int)
    }

    private let limit: Int
    private var pending = ByteBuffer()
    /// Bytes of `pending` that are known to hold no LF.
    private var scanned = 0
    /// Bytes dropped so far of a record that is too long; `nil` while none is being dropped.
    private var dropped: Int?

    /// A splitter for records of at most `limit` bytes.
    public init(limit: Int) {
        self.limit = limit
    }

    /// Takes the next piece of the stream.
    public mutating func append(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 { scanned = 0 }
        pending.gather(bytes)
    }

    /// The next complete record, or `nil` until more bytes arrive.
    public mutating func next() -> Output? {
        guard let length = lengthToNewline() else {
            dropIfOversized()
            return nil
        }
        var record = pending.readSlice(length: length) ?? ByteBuffer()
        pending.moveReaderIndex(forwardBy: 1)
        scanned = 0
        if let dropped {
            self.dropped = nil
            return .oversized(byteCount: dropped + length)
        }
        guard length <= limit else { return .oversized(byteCount: length) }
        record.stripFinalCarriageReturn()
        return .record(record)
    }

    /// The beginning of a record whose end has not come; `nil` where there is none, or it is too long already.
    public var unfinished: ByteBuffer? {
        dropped == nil && pending.readableBytes > 0 ? pending : nil
    }

    /// Forgets that beginning: who calls this takes the record, up to and including its LF, elsewhere.
    public mutating func forgetUnfinished() {
        pending = ByteBuffer()
        scanned = 0
    }

    /// What is left when the stream ends: a last record without LF, or `nil`.
    public mutating func finish() -> Output? {
        defer {
            pending = ByteBuffer()
            scanned = 0
            dropped = nil
        }
        if let dropped { return .oversized(byteCount: dropped + pending.readableBytes) }
        guard pending.readableBytes > 0 else { return nil }
        pending.stripFinalCarriageReturn()
        return .record(pending)
    }

    private mutating func lengthToNewline() -> Int? {
        // A view's firstIndex(of:) is memchr.
        let unscanned = pending.readableBytesView[(pending.readerIndex + scanned)...]
        let found = unscanned.firstIndex(of: UInt8(ascii: "\n")).map { $0 - pending.readerIndex }
        if found == nil { scanned = pending.readableBytes }
        return found
    }

    private mutating func dropIfOversized() {
        guard dropped != nil || pending.readableBytes > limit + 1 else { return }
        dropped = (dropped ?? 0) + pending.readableBytes
        pending = ByteBuffer()
        scanned = 0
    }
}

extension ByteBuffer {
    fileprivate mutating func stripFinalCarriageReturn() {
        guard readableBytes > 0, getInteger(at: writerIndex - 1, as: UInt8.self) == UInt8(ascii: "\r") else { return }
        moveWriterIndex(to: writerIndex - 1)
    }
}
