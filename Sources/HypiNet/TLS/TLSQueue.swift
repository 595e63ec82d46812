import NIOCore

/// Plaintext that has not been encrypted yet, in order.
struct TLSQueue {
    private var writes = MarkedCircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>(initialCapacity: 4)
    private(set) var byteCount = 0

    mutating func append(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        byteCount += bytes.readableBytes
        writes.append((bytes, promise))
    }

    /// All that is there may go.
    mutating func mark() {
        writes.mark()
    }

    mutating func popMarked() -> (ByteBuffer, EventLoopPromise<Void>?)? {
        guard writes.hasMark, let first = writes.popFirst() else { return nil }
        byteCount -= first.0.readableBytes
        return first
    }

    /// Empties it; the promises are the caller's then.
    mutating func takePromises() -> [EventLoopPromise<Void>] {
        let promises = writes.compactMap(\.1)
        writes = MarkedCircularBuffer(initialCapacity: 4)
        byteCount = 0
        return promises
    }
}
