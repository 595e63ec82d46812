import NIOCore

/// Counts what was written to a peer and has not been taken yet.
final class Outbox {
    /// Bytes whose write is not complete.
    private var waitingBytes = 0
    /// Bytes ever written.
    private var writtenBytes = 0
    /// At the last look: what the channel held, and what had passed through it by then.
    private var last = (waiting: 0, passed: 0)

    /// Whether more may be written; one write of any length always may while nothing else waits.
    func hasRoom(_ byteCount: Int, limit: Int) -> Bool {
        waitingBytes == 0 || waitingBytes + byteCount <= limit
    }

    /// Counts a write of which nobody has to know when it has been taken.
    func add(_ byteCount: Int) {
        writtenBytes += byteCount
    }

    /// Counts a write; its promise says when the bytes have been taken.
    func add(_ byteCount: Int, on eventLoop: any EventLoop) -> EventLoopPromise<Void> {
        waitingBytes += byteCount
        writtenBytes += byteCount
        let written = eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in self.waitingBytes -= byteCount }
        return written
    }

    /// Whether the peer has taken something since the last look.
    ///
    /// Only where bytes waited for it then: with room in the kernel, writing proves nothing about the peer.
    ///
    /// - Parameter waiting: Bytes that the channel holds now.
    /// - Returns: Whether bytes that waited at the last look are gone.
    func hasMoved(waiting: Int) -> Bool {
        let passed = writtenBytes - waiting
        defer { last = (waiting, passed) }
        return last.waiting > 0 && passed > last.passed
    }
}
