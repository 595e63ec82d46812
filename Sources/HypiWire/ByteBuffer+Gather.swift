package import NIOCore

extension ByteBuffer {
    /// Appends what arrived behind what has not been used yet, and lets go of what has.
    ///
    /// Appending alone would keep every byte that ever came, for as long as no read happens to end where a frame or a
    /// record does; on a busy connection that is for ever. Every byte is copied at most once more for it.
    package mutating func gather(_ bytes: ByteBuffer) {
        guard readableBytes > 0 else {
            self = bytes
            return
        }
        if readerIndex > 0 {
            var rest = ByteBuffer()
            rest.reserveCapacity(readableBytes + bytes.readableBytes)
            rest.writeImmutableBuffer(self)
            self = rest
        }
        writeImmutableBuffer(bytes)
    }
}
