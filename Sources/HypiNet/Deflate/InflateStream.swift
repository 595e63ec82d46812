import CZlib
import HypiWire
public import NIOCore

/// Reads what a peer compressed (RFC 7692 section 7.2.2): bytes in, bytes out, cut anywhere.
///
/// It takes about 10 KB, and its window once a message has been read.
public final class InflateStream {
    /// Bytes that are made room for at a time.
    private static let stepBytes = 16 << 10
    /// What a message ends with and what is not sent.
    private static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]

    private let stream: UnsafeMutablePointer<z_stream>

    /// A reader of a stream that refers back by at most 32 KiB.
    ///
    /// `nil`: there is no memory for it.
    public init?() {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard hypi_inflate_begin(stream, 15) == Z_OK else {
            stream.deallocate()
            return nil
        }
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Reads a message, or a part of one.
    ///
    /// - Parameters:
    ///   - payload: What came.
    ///   - isLast: Whether the message ends with it.
    ///   - limit: How long what comes out may be, in bytes.
    /// - Returns: What it says, as far as that can be known yet.
    /// - Throws: ``FrameFault`` as soon as it becomes longer than that, or where it is not DEFLATE; the stream must not be
    ///   used after that.
    public func decompress(_ payload: ByteBuffer, isLast: Bool, limit: Int) throws(FrameFault) -> ByteBuffer {
        var plain = ByteBuffer()
        var fault = payload.withUnsafeReadableBytes { take($0, into: &plain, limit: limit) }
        if isLast, fault == nil { fault = Self.tail.withUnsafeBytes { take($0, into: &plain, limit: limit) } }
        if let fault { throw fault }
        return plain
    }

    private func take(_ bytes: UnsafeRawBufferPointer, into plain: inout ByteBuffer, limit: Int) -> FrameFault? {
        stream.pointee.next_in = bytes.bindMemory(to: UInt8.self).baseAddress
        stream.pointee.avail_in = UInt32(bytes.count)
        var mayHoldMore = false
        while stream.pointee.avail_in > 0 || mayHoldMore {
            // One byte more than is allowed shows that it is too long.
            let result = step(min(Self.stepBytes, limit + 1 - plain.readableBytes), into: &plain)
            mayHoldMore = stream.pointee.avail_out == 0
            guard plain.readableBytes <= limit else {
                return FrameFault(code: .messageTooBig, reason: "message over its limit once decompressed")
            }
            switch result {
            case Z_OK: break
            // Nothing more comes out of what is there.
            case Z_BUF_ERROR: return nil
            // A last block is only the last of its sender's stream; the window stays (section 7.2.3.4).
            case Z_STREAM_END: inflateResetKeep(stream)
            case Z_MEM_ERROR: return FrameFault(code: .internalError, reason: "no memory to decompress")
            default: return FrameFault(code: .invalidPayload, reason: "message is not DEFLATE")
            }
        }
        return nil
    }

    private func step(_ room: Int, into plain: inout ByteBuffer) -> Int32 {
        var result = Z_OK
        plain.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
            stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(room)
            result = inflate(stream, Z_SYNC_FLUSH)
            return room - Int(stream.pointee.avail_out)
        }
        return result
    }
}
