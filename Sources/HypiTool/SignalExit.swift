import CPlatform
import UnixSignals

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Ends the program by a signal, so that a shell loop around it stops as it should.
///
/// A tool that exits with 130 leaves `for` running; one that dies of SIGINT does not.
public enum SignalExit {
    /// Restores the signal's default action and sends it to ourselves.
    public static func raise(_ number: CInt) -> Never {
        signal(number, SIG_DFL)
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        kill(getpid(), number)
        // Only a signal that is ignored by default gets here.
        exit(128 + number)
    }

    /// The end of the terminal.
    public static let hangup = SIGHUP

    /// Waits for Ctrl-C and ends the program by it, after `first` and the time for a second one.
    ///
    /// Returns at once where SIGINT is ignored, as of a job that a script put into the background, and when the task is
    /// cancelled before a signal came.
    ///
    /// - Parameters:
    ///   - window: How long a second Ctrl-C may take.
    ///   - first: What is done at the first.
    ///   - second: What is done at the second.
    public static func onInterrupt(
        window: Duration, _ first: @Sendable () -> Void, second: @Sendable () async -> Void
    ) async {
        var action = sigaction()
        guard sigaction(SIGINT, nil, &action) == 0, !isIgnored(action) else { return }
        let signals = await UnixSignalsSequence(trapping: .sigint)
        await withTaskGroup(of: Void.self) { tasks in
            var isFirst = true
            for await _ in signals {
                guard isFirst else {
                    tasks.cancelAll()
                    await second()
                    raise(SIGINT)
                }
                isFirst = false
                first()
                tasks.addTask {
                    // Cancelled by the second signal, and by the end of what was interrupted.
                    guard (try? await Task.sleep(for: window)) != nil else { return }
                    raise(SIGINT)
                }
            }
        }
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        #if canImport(Glibc)
            let handler = action.__sigaction_handler.sa_handler
        #else
            let handler = action.__sigaction_u.__sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// Ignores a signal from here on.
    public static func ignore(_ number: CInt) {
        signal(number, SIG_IGN)
    }

    /// Ends a crash without a core and without a backtrace: both would show a token, or what was said.
    ///
    /// `SWIFT_BACKTRACE` in the environment asks for a backtrace all the same. What we start inherits the soft limit of
    /// cores, and may raise it.
    public static func crashSilently() {
        hypi_crash_silently()
    }

    /// Keeps a peer's or reader's departure from killing us; writes then fail with EPIPE.
    public static func ignoreBrokenPipes() {
        ignore(SIGPIPE)
    }
}
