import Dispatch
import HypiWire
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Writes log lines on a thread of its own, so that a pager that pauses or a slow disk holds up no event loop.
///
/// What waits is bounded by ``Limits/logQueueBytes``; lines beyond it are counted, and the count is logged once there is
/// room again. At exit what waits is written, for ``Limits/logFlushMilliseconds`` at most.
final class LogWriter: Sendable {
    private struct Queue {
        var lines: [[UInt8]] = []
        var byteCount = 0
        var droppedCount = 0
        /// The thread has been given the queue, or has lines in hand.
        var isWriting = false
        var waiters: [DispatchSemaphore] = []
    }

    private static let all = Mutex<[LogWriter]>([])
    private static let flushesAtExit: Bool = atexit { LogWriter.flushAll() } == 0

    private let file: LogFile?
    private let descriptor: CInt
    private let complaint: @Sendable (Int) -> [UInt8]
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let queue = Mutex(Queue())

    /// A writer to a file, else to a descriptor.
    ///
    /// - Parameters:
    ///   - file: The log file.
    ///   - descriptor: Where lines go without one.
    ///   - complaint: The line that tells of so many lost ones.
    init(file: LogFile?, descriptor: CInt = STDERR_FILENO, complaint: @escaping @Sendable (Int) -> [UInt8]) {
        self.file = file
        self.descriptor = descriptor
        self.complaint = complaint
        thread.start()
        _ = Self.flushesAtExit
        Self.all.withLock { $0.append(self) }
    }

    /// Takes a line, and returns at once.
    func write(_ line: [UInt8]) {
        let isFirst = queue.withLock { queue in
            guard queue.byteCount + line.count <= Limits.logQueueBytes else {
                queue.droppedCount += 1
                return false
            }
            queue.lines.append(line)
            queue.byteCount += line.count
            defer { queue.isWriting = true }
            return !queue.isWriting
        }
        if isFirst { thread.submit { _ in self.drain() } }
    }

    /// Waits until all that was taken is written, or the time is over.
    func flush(milliseconds: Int64) {
        let flush = DispatchSemaphore(value: 0)
        let isIdle = queue.withLock { queue in
            if queue.isWriting { queue.waiters.append(flush) }
            return !queue.isWriting
        }
        if !isIdle { _ = flush.wait(timeout: .now() + .milliseconds(Int(milliseconds))) }
    }

    private static func flushAll() {
        for writer in all.withLock({ $0 }) { writer.flush(milliseconds: Limits.logFlushMilliseconds) }
    }

    private func drain() {
        while true {
            let (lines, droppedCount, waiters) = queue.withLock { queue in
                let taken = (queue.lines, queue.droppedCount)
                (queue.lines, queue.byteCount, queue.droppedCount) = ([], 0, 0)
                queue.isWriting = !taken.0.isEmpty || taken.1 > 0
                guard !queue.isWriting else { return (taken.0, taken.1, [DispatchSemaphore]()) }
                defer { queue.waiters = [] }
                return (taken.0, taken.1, queue.waiters)
            }
            if lines.isEmpty && droppedCount == 0 {
                for waiter in waiters { waiter.signal() }
                return
            }
            for line in lines { put(line) }
            if droppedCount > 0 { put(complaint(droppedCount)) }
        }
    }

    private func put(_ line: [UInt8]) {
        // Where the log cannot be written there is nowhere to say so, and an agent must not die of a full disk.
        _ = file?.write(line) ?? StandardOutput.writeAll(line, to: descriptor)
    }
}
