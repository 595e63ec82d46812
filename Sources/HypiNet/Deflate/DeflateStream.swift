import CZlib
public import NIOCore

/// Compresses one message after the other in one DEFLATE stream (RFC 7692 section 7.2.1).
///
/// What messages have in common is written once, since each may refer to those before it; so whoever reads them needs all
/// of them, from the beginning or from a ``reset()`` on. One takes 256 KiB with the largest window.
public final class DeflateStream {
    /// The fastest level: of a stream of short records the best is an eighth smaller at three times the time.
    private static let level: Int32 = 1
    /// The window sizes that a stream can have; zlib has none of 8 bits without a header of its own.
    static let windowBits = 9...15

    /// Bytes that are made room for at a time.
    private static let stepBytes = 64 << 10

    private let stream: UnsafeMutablePointer<z_stream>

    /// A stream that refers back by at most a window's length.
    ///
    /// `nil`: there is no memory for it.
    ///
    /// - Parameter windowBits: The logarithm of the window's length in bytes, 9 to 15.
    public init?(windowBits: Int = 15) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard hypi_deflate_begin(stream, Self.level, Int32(windowBits)) == Z_OK else {
            stream.deallocate()
            return nil
        }
        self.stream = stream
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Begins anew: what follows refers to nothing before.
    public func reset() {
        deflateReset(stream)
    }

    /// Appends the compressed form of a message.
    public func compress(_ payload: ByteBuffer, to bytes: inout ByteBuffer) {
        guard payload.readableBytes > 0 else {
            // zlib writes nothing where there is nothing to flush (RFC 7692 section 7.2.3.6).
            bytes.writeInteger(0, as: UInt8.self)
            return
        }
        payload.withUnsafeReadableBytes { source in
            stream.pointee.next_in = source.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_in = UInt32(source.count)
            repeat { step(into: &bytes) } while stream.pointee.avail_out == 0
        }
        // The four bytes 00 00 FF FF that a flush ends with; the reader puts them back.
        bytes.moveWriterIndex(to: bytes.writerIndex - 4)
    }

    private func step(into bytes: inout ByteBuffer) {
        // The bound is for all that is left; zlib holds nothing back at a flush.
        let room = min(Int(deflateBound(stream, UInt(stream.pointee.avail_in))) + 16, Self.stepBytes)
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
            stream.pointee.next_out = target.bindMemory(to: UInt8.self).baseAddress
            stream.pointee.avail_out = UInt32(room)
            // Its only failure here is that there was nothing left to write, and then nothing has been.
            _ = deflate(stream, Z_SYNC_FLUSH)
            return room - Int(stream.pointee.avail_out)
        }
    }
}
