import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How long a program may take, and what it is waiting for while it does.
///
/// When the time is over the process ends with one line and status 124, there and then: a peer that hangs would also
/// hang an orderly end of the conversation with it.
public final class TimeLimit: Sendable {
    private let waitingFor: Mutex<String>
    private let timer: Mutex<Task<Void, Never>?>

    /// Starts the clock.
    ///
    /// - Parameters:
    ///   - tool: The program's name, for its last line.
    ///   - duration: The time; `nil`: no limit.
    ///   - waitingFor: What is waited for at first, as the end of a message.
    public init(_ tool: String, _ duration: Duration?, waitingFor: String) {
        self.waitingFor = Mutex(waitingFor)
        timer = Mutex(nil)
        guard let duration else { return }
        // Held by the limit itself; it lets go when the limit is stopped or forgotten.
        let task = Task.detached { [weak self] in
            guard (try? await Task.sleep(for: duration)) != nil, let self else { return }
            let goal = self.waitingFor.withLock { $0 }
            Diagnostic.print(tool, "timed out after \(TimeSpan.words(duration)): \(goal)")
            exit(ExitStatus.timedOut.rawValue)
        }
        timer.withLock { $0 = task }
    }

    deinit {
        stop()
    }

    /// Says what is waited for from here on.
    public func waits(for text: String) {
        waitingFor.withLock { $0 = text }
    }

    /// Stops the clock: what was to be done in time is done.
    public func stop() {
        timer.withLock { $0?.cancel() }
    }
}
