public import HypiWire
public import NIOCore

/// What a peer did that RFC 6455 does not allow, and how the connection is to be closed for it.
public struct FrameFault: Error, Sendable, Equatable {
    /// The code of the close frame that answers it.
    public var code: CloseCode
    /// The reason in that frame: what was wrong.
    public var reason: String

    static func violation(_ reason: String) -> FrameFault {
        FrameFault(code: .protocolError, reason: reason)
    }
}

/// Cuts bytes into frames and refuses what RFC 6455 section 5 refuses.
///
/// Checked here: reserved bits and opcodes, masking direction, control frames that are long or fragmented, lengths that
/// are not minimal or over the limit. A pure state machine: bytes in, frames out, cut anywhere.
public struct FrameDecoder {
    private let role: Role
    private let frameLimit: Int
    private let partBytes: Int?
    private let allowsCompression: Bool
    private var pending = ByteBuffer()
    /// The long frame of which pieces have been given out, and how much of it.
    private var begun: (header: Header, offset: Int)?

    /// A decoder for the bytes that a peer of us as `role` sends.
    ///
    /// - Parameters:
    ///   - role: Which side we are.
    ///   - frameLimit: The longest frame, in bytes of payload.
    ///   - partBytes: Data frames that are longer are given out in pieces as they come, so that none is ever held as a
    ///     whole; `nil`: every frame is.
    ///   - allowsCompression: Whether messages may be compressed (RFC 7692), as was agreed in the handshake.
    public init(
        role: Role, frameLimit: Int = Limits.frameBytes, partBytes: Int? = nil, allowsCompression: Bool = false
    ) {
        self.role = role
        self.frameLimit = frameLimit
        self.partBytes = partBytes
        self.allowsCompression = allowsCompression
    }

    /// Takes the next bytes.
    public mutating func append(_ bytes: ByteBuffer) {
        pending.gather(bytes)
    }

    /// The next whole frame, or piece of a long one, or `nil` until more bytes arrive.
    ///
    /// - Throws: ``FrameFault`` as soon as a header shows the fault; the decoder must not be used after that.
    public mutating func next() throws(FrameFault) -> Frame? {
        if let begun { return nextPart(of: begun.header, at: begun.offset) }
        guard let header = try readHeader() else { return nil }
        if let partBytes, !header.opcode.isControl, header.length > partBytes {
            guard pending.readableBytes > header.size else { return nil }
            pending.moveReaderIndex(forwardBy: header.size)
            return nextPart(of: header, at: 0)
        }
        guard pending.readableBytes >= header.size + header.length else { return nil }
        pending.moveReaderIndex(forwardBy: header.size)
        let payload = pending.readSlice(length: header.length) ?? ByteBuffer()
        let frame = header.frame(unmasked(payload, header.mask))
        // Otherwise the storage of a long frame would stay for as long as the connection is quiet.
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        return frame
    }

    private mutating func nextPart(of header: Header, at offset: Int) -> Frame? {
        let length = min(pending.readableBytes, header.length - offset)
        guard length > 0, let payload = pending.readSlice(length: length) else { return nil }
        begun = offset + length < header.length ? (header, offset + length) : nil
        if pending.readableBytes == 0 { pending = ByteBuffer() }
        let mask = header.mask.map { Masking.turned($0, by: offset) }
        var frame = header.frame(unmasked(payload, mask))
        frame.part = Frame.Part(offset: offset, frameLength: header.length)
        return frame
    }

    private struct Header {
        var isFinal: Bool
        var isCompressed: Bool
        var opcode: Frame.Opcode
        var length: Int
        var mask: UInt32?
        /// Bytes of the header itself.
        var size: Int

        func frame(_ payload: ByteBuffer) -> Frame {
            var frame = Frame(isFinal: isFinal, opcode: opcode, payload: payload)
            frame.isCompressed = isCompressed
            return frame
        }
    }

    private func readHeader() throws(FrameFault) -> Header? {
        let start = pending.readerIndex
        guard let first = pending.getInteger(at: start, as: UInt8.self) else { return nil }
        let isCompressed = first & 0x70 == 0x40 && allowsCompression
        guard first & 0x70 == 0 || isCompressed else { throw .violation("reserved bits are set") }
        guard let opcode = Frame.Opcode(rawValue: first & 0x0F) else { throw .violation("reserved opcode") }
        guard !isCompressed || opcode == .text || opcode == .binary else {
            throw .violation("compression begins with a message")
        }
        let isFinal = first & 0x80 != 0
        guard isFinal || !opcode.isControl else { throw .violation("fragmented control frame") }
        guard let second = pending.getInteger(at: start + 1, as: UInt8.self) else { return nil }
        let isMasked = second & 0x80 != 0
        guard isMasked == (role == .server) else {
            throw .violation(isMasked ? "a server must not mask" : "a client must mask")
        }
        guard let (length, lengthSize) = try readLength(second & 0x7F, isControl: opcode.isControl) else { return nil }
        guard isMasked else {
            return Header(
                isFinal: isFinal, isCompressed: isCompressed, opcode: opcode, length: length, mask: nil,
                size: 2 + lengthSize)
        }
        guard let mask = pending.getInteger(at: start + 2 + lengthSize, as: UInt32.self) else { return nil }
        return Header(
            isFinal: isFinal, isCompressed: isCompressed, opcode: opcode, length: length, mask: mask,
            size: 6 + lengthSize)
    }

    private func readLength(_ short: UInt8, isControl: Bool) throws(FrameFault) -> (length: Int, size: Int)? {
        guard short <= 125 || !isControl else { throw .violation("control frame over 125 bytes") }
        let start = pending.readerIndex + 2
        let length: UInt64
        let size: Int
        switch short {
        case 126:
            guard let value = pending.getInteger(at: start, as: UInt16.self) else { return nil }
            guard value > 125 else { throw .violation("length is not minimal") }
            (length, size) = (UInt64(value), 2)
        case 127:
            guard let value = pending.getInteger(at: start, as: UInt64.self) else { return nil }
            guard value <= UInt64(Int64.max) else { throw .violation("length with its highest bit set") }
            guard value > 0xFFFF else { throw .violation("length is not minimal") }
            (length, size) = (value, 8)
        default:
            (length, size) = (UInt64(short), 0)
        }
        guard length <= UInt64(frameLimit) else {
            throw FrameFault(code: .messageTooBig, reason: "frame over \(frameLimit) bytes")
        }
        return (Int(length), size)
    }

    private func unmasked(_ payload: ByteBuffer, _ mask: UInt32?) -> ByteBuffer {
        guard let mask, payload.readableBytes > 0 else { return payload }
        var plain = ByteBuffer()
        plain.reserveCapacity(payload.readableBytes)
        Masking.append(payload, mask: mask, to: &plain)
        return plain
    }
}
