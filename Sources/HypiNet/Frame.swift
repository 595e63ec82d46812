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
    public static func writeHeader(isFinal: Bool, opcode: Frame.Opcode, length: Int, to buffer: inout ByteBuffer) {
        writeHeader(isFinal: isFinal, opcode: opcode, length: length, maskBit: 0, to: &buffer)
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

    /// Appends a frame, masked with `mask` if there is one (RFC 6455 section 5.3).
    static func write(_ frame: Frame, mask: UInt32?, to buffer: inout ByteBuffer) {
        let length = frame.payload.readableBytes
        writeHeader(
            isFinal: frame.isFinal, opcode: frame.opcode, length: length, maskBit: mask == nil ? 0 : 0x80, to: &buffer)
        guard let mask else {
            buffer.writeImmutableBuffer(frame.payload)
            return
        }
        buffer.writeInteger(mask)
        Masking.append(frame.payload, mask: mask, to: &buffer)
    }

    private static func writeHeader(
        isFinal: Bool, opcode: Frame.Opcode, length: Int, maskBit: UInt8, to buffer: inout ByteBuffer
    ) {
        buffer.writeInteger((isFinal ? 0x80 : 0) | opcode.rawValue)
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
