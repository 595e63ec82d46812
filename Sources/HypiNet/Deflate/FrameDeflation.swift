import HypiWire
public import NIOCore

/// Makes compressed frames of finished ones.
public enum FrameDeflation {
    /// Appends a frame's compressed form where it has one, else the frame itself.
    ///
    /// Compressed are whole text messages in one frame, of at least ``Limits/deflatedFrameBytes`` and of at most
    /// ``Limits/deflatedMessageBytes``.
    ///
    /// - Parameters:
    ///   - frame: One finished, unmasked message; nothing is appended for an empty one.
    ///   - stream: What compresses; a frame that stays as it is does not touch it.
    ///   - bytes: Where it goes.
    public static func append(_ frame: ByteBuffer, with stream: DeflateStream, to bytes: inout ByteBuffer) {
        guard let payload = payload(of: frame) else {
            bytes.writeImmutableBuffer(frame)
            return
        }
        var compressed = ByteBuffer()
        stream.compress(payload, to: &compressed)
        FrameEncoder.writeHeader(
            isFinal: true, opcode: .text, isCompressed: true, length: compressed.readableBytes, to: &bytes)
        bytes.writeImmutableBuffer(compressed)
    }

    /// A message of its own: in a stream that begins with it, and that nothing follows.
    ///
    /// - Returns: `nil` where the frame is not to be compressed, or where there is no memory for that.
    public static func single(_ frame: ByteBuffer, windowBits: Int) -> ByteBuffer? {
        guard payload(of: frame) != nil, let stream = DeflateStream(windowBits: windowBits) else { return nil }
        var bytes = ByteBuffer()
        append(frame, with: stream, to: &bytes)
        return bytes
    }

    /// What a frame carries, if it is to be compressed.
    private static func payload(of frame: ByteBuffer) -> ByteBuffer? {
        let start = frame.readerIndex
        guard frame.getInteger(at: start, as: UInt8.self) == 0x80 | Frame.Opcode.text.rawValue,
            let short = frame.getInteger(at: start + 1, as: UInt8.self)
        else { return nil }
        let headerBytes = short < 126 ? 2 : short == 126 ? 4 : 10
        let length = frame.readableBytes - headerBytes
        guard (Limits.deflatedFrameBytes...Limits.deflatedMessageBytes).contains(length) else { return nil }
        return frame.getSlice(at: start + headerBytes, length: length)
    }
}
