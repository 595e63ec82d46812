public import HypiWire
public import NIOCore

/// One WebSocket frame (RFC 6455 section 5.2), unmasked.
public struct Frame: Sendable, Equatable {
    /// What a frame is.
    public enum Opcode: UInt8, Sendable {
        /// Goes on with a fragmented message.
        case continuation = 0x0
        /// Starts a text message.
        case text = 0x1
        /// Starts a binary message.
        case binary = 0x2
        /// Closes the connection.
        case close = 0x8
        /// Asks for a pong.
        case ping = 0x9
        /// Answers a ping, or is sent unasked.
        case pong = 0xA

        /// Whether it may come between the fragments of a message.
        public var isControl: Bool {
            rawValue >= 0x8
        }
    }

    /// Whether the message ends with this frame.
    public var isFinal: Bool
    /// What the frame is.
    public var opcode: Opcode
    /// The payload, unmasked.
    public var payload: ByteBuffer
    /// Whether the message that begins with this frame is compressed (RSV1, RFC 7692 section 6).
    public var isCompressed = false
    /// Where the payload stands in its frame; `nil` where it is all of it.
    public var part: Part?

    /// A piece of a long frame, passed on before the rest of it has come.
    public struct Part: Sendable, Equatable {
        /// Bytes of the frame's payload before this piece.
        public var offset: Int
        /// Bytes of the whole frame's payload.
        public var frameLength: Int

        /// A place in a frame.
        public init(offset: Int, frameLength: Int) {
            self.offset = offset
            self.frameLength = frameLength
        }
    }

    /// Whether the frame begins with this piece; a whole frame does.
    var isBeginning: Bool { part.map { $0.offset == 0 } ?? true }

    /// Bytes of the frame that are still to come behind this piece.
    var missingByteCount: Int { part.map { $0.frameLength - $0.offset - payload.readableBytes } ?? 0 }

    /// A frame.
    public init(isFinal: Bool = true, opcode: Opcode, payload: ByteBuffer = ByteBuffer()) {
        self.isFinal = isFinal
        self.opcode = opcode
        self.payload = payload
    }

    /// A close frame; a code that may not be sent goes out as a frame without one.
    ///
    /// The reason is cut to the 123 bytes that fit, at a character's end.
    public static func close(_ code: CloseCode, _ reason: String) -> Frame {
        var payload = ByteBuffer()
        if code.isSendable {
            payload.writeInteger(code.rawValue)
            var reason = reason
            while reason.utf8.count > Limits.controlPayloadBytes - 2 { reason.removeLast() }
            payload.writeString(reason)
        }
        return Frame(opcode: .close, payload: payload)
    }
}

/// Which side of a connection we are: it decides who masks (RFC 6455 section 5.1).
public enum Role: Sendable {
    /// We accepted the connection: what comes in must be masked, what goes out must not.
    case server
    /// We dialled: the other way round.
    case client
}

/// Finished frame bytes.
public enum FrameEncoder {
    /// Appends the header of an unmasked frame.
    public static func writeHeader(
        isFinal: Bool, opcode: Frame.Opcode, isCompressed: Bool = false, length: Int, to buffer: inout ByteBuffer
    ) {
        let first = firstByte(isFinal: isFinal, opcode: opcode, isCompressed: isCompressed)
        writeHeader(first, length: length, maskBit: 0, to: &buffer)
    }

    private static func firstByte(isFinal: Bool, opcode: Frame.Opcode, isCompressed: Bool) -> UInt8 {
        (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue
    }

    /// Appends a whole message as unmasked frames, none longer than ``Limits/frameBytes``.
    public static func writeMessage(_ payload: ByteBuffer, opcode: Frame.Opcode, to buffer: inout ByteBuffer) {
        var rest = payload
        var opcode = opcode
        repeat {
            let length = min(rest.readableBytes, Limits.frameBytes)
            writeHeader(isFinal: length == rest.readableBytes, opcode: opcode, length: length, to: &buffer)
            if var piece = rest.readSlice(length: length) { buffer.writeBuffer(&piece) }
            opcode = .continuation
        } while rest.readableBytes > 0
    }

    /// Appends a frame, masked with `mask` if there is one (RFC 6455 section 5.3); of a piece that is not its frame's
    /// first, the payload alone.
    static func write(_ frame: Frame, mask: UInt32?, to buffer: inout ByteBuffer) {
        if frame.isBeginning {
            writeHeader(
                firstByte(isFinal: frame.isFinal, opcode: frame.opcode, isCompressed: frame.isCompressed),
                length: frame.part?.frameLength ?? frame.payload.readableBytes, maskBit: mask == nil ? 0 : 0x80,
                to: &buffer)
            if let mask { buffer.writeInteger(mask) }
        }
        guard let mask else {
            buffer.writeImmutableBuffer(frame.payload)
            return
        }
        let turned = Masking.turned(mask, by: frame.part?.offset ?? 0)
        Masking.append(frame.payload, mask: turned, to: &buffer)
    }

    private static func writeHeader(_ first: UInt8, length: Int, maskBit: UInt8, to buffer: inout ByteBuffer) {
        buffer.writeInteger(first)
        switch length {
        case ...125:
            buffer.writeInteger(UInt8(length) | maskBit)
        case ...0xFFFF:
            buffer.writeInteger(126 | maskBit)
            buffer.writeInteger(UInt16(length))
        default:
            buffer.writeInteger(127 | maskBit)
            buffer.writeInteger(UInt64(length))
        }
    }
}

/// The XOR of RFC 6455 section 5.3, eight bytes at a time.
enum Masking {
    /// The mask as it is for a payload that begins at an offset of its frame.
    static func turned(_ mask: UInt32, by offset: Int) -> UInt32 {
        let bits = UInt32(offset & 3) * 8
        return bits == 0 ? mask : mask << bits | mask >> (32 - bits)
    }

    /// Appends `payload` XORed with `mask` (in network order as read from the wire).
    static func append(_ payload: ByteBuffer, mask: UInt32, to buffer: inout ByteBuffer) {
        let bigEndian = mask.bigEndian
        let word = UInt64(bigEndian) | UInt64(bigEndian) << 32
        let count = payload.readableBytes
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            payload.withUnsafeReadableBytes { source in
                var offset = 0
                while offset + 8 <= count {
                    let value = source.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ word
                    target.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
                    offset += 8
                }
                while offset < count {
                    target[offset] = source[offset] ^ UInt8(truncatingIfNeeded: word >> (UInt64(offset & 7) * 8))
                    offset += 1
                }
            }
            return count
        }
    }
}
