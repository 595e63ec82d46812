import CPlatform

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
