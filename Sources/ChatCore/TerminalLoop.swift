import CPlatform
import HypiWire
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

private func closeDescriptor(_ descriptor: CInt) {
    close(descriptor)
}

/// The one thread on which readline and the screen live: a poll(2) over the keyboard and a self-pipe.
///
/// It is an actor's executor, so that the chat is an ordinary actor whose jobs run between two key strokes. Signals come
/// through the same pipe. `@unchecked Sendable`: jobs are behind a mutex, the descriptors never change, everything else
/// is touched on the loop's thread alone, which ``checkIsolated()`` guards.
final class TerminalLoop: SerialExecutor, @unchecked Sendable {
    /// What the loop tells its owner; all calls come on its thread.
    struct Delegate {
        /// Bytes wait on the keyboard; false ends the watching of it.
        var keyboard: () -> Void
        /// A signal came.
        var signal: (CInt) -> Void
        /// Something may be due; answers how long the loop may sleep, `nil` for as long as it likes.
        var turn: () -> Duration?
    }

    /// The self-pipe could not be made; the system's error number.
    struct Fault: Error {
        var code: CInt
    }

    private let jobs = Mutex<[UnownedJob]>([])
    private let wakeInput: CInt
    private let wakeOutput: CInt
    private let keyboard: CInt
    private let thread = Mutex<pthread_t?>(nil)
    private let isClosed = Atomic(false)
    private var isStopped = false

    init(keyboard: CInt) throws(Fault) {
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0 else { throw Fault(code: errno) }
        // A handler must never wait for room: a full pipe wakes us anyway.
        for end in ends { _ = fcntl(end, F_SETFL, fcntl(end, F_GETFL) | O_NONBLOCK) }
        (wakeInput, wakeOutput) = (ends[0], ends[1])
        self.keyboard = keyboard
    }

    deinit {
        for end in [wakeInput, wakeOutput] { closeDescriptor(end) }
    }

    // MARK: SerialExecutor

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let isFirst = jobs.withLock { jobs in
            jobs.append(job)
            return jobs.count == 1
        }
        if isFirst { wake() }
    }

    func checkIsolated() {
        precondition(isIsolatingCurrentContext() == true, "not on the terminal's thread")
    }

    func isIsolatingCurrentContext() -> Bool? {
        thread.withLock { thread in thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    // MARK: The loop

    /// Sends these signals through the loop from now on.
    func forward(_ signals: [CInt]) {
        for number in signals { _ = hypi_forward_signal(number, wakeOutput) }
    }

    /// Runs jobs and nothing else until ``close()``: tasks that still call the actor must come to their end.
    func serveJobs() {
        while !isClosed.load(ordering: .acquiring) {
            var request = pollfd(fd: wakeInput, events: Int16(POLLIN), revents: 0)
            if poll(&request, 1, -1) > 0 {
                var bytes = [UInt8](repeating: 0, count: 256)
                _ = read(wakeInput, &bytes, bytes.count)
            }
            runJobs()
        }
    }

    /// Ends ``serveJobs()``.
    func close() {
        isClosed.store(true, ordering: .releasing)
        wake()
    }

    /// Ends ``run(_:)``; only on the loop's thread.
    func stop() {
        isStopped = true
    }

    /// Makes this thread the loop's.
    func begin() {
        thread.withLock { $0 = pthread_self() }
    }

    /// Runs on this thread until ``stop()``; jobs that come later need ``serveJobs()``.
    func run(_ delegate: Delegate) {
        while !isStopped {
            let sleep = delegate.turn()
            if isStopped { break }
            var requests = [
                pollfd(fd: wakeInput, events: Int16(POLLIN), revents: 0),
                pollfd(fd: keyboard, events: Int16(POLLIN), revents: 0),
            ]
            let milliseconds = sleep.map { max(0, CInt(clamping: $0 / .milliseconds(1)).addingClamped(1)) } ?? -1
            guard poll(&requests, 2, milliseconds) > 0 else { continue }
            if requests[0].revents != 0 { readSignals(delegate) }
            runJobs()
            if !isStopped, requests[1].revents != 0 { delegate.keyboard() }
        }
        runJobs()
    }

    private func readSignals(_ delegate: Delegate) {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(wakeInput, &bytes, bytes.count)
        guard count > 0 else { return }
        for byte in bytes[..<count] where byte != 0 && !isStopped { delegate.signal(CInt(byte)) }
    }

    private func runJobs() {
        // What is enqueued meanwhile waits for the next turn, so that the keyboard gets its own.
        let due = jobs.withLock { jobs in
            defer { jobs = [] }
            return jobs
        }
        for job in due { job.runSynchronously(on: asUnownedSerialExecutor()) }
    }

    private func wake() {
        var byte: UInt8 = 0
        // EAGAIN: the pipe is full of wake-ups.
        _ = write(wakeOutput, &byte, 1)
    }
}
