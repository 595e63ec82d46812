#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Tells what a SIGHUP means: that the terminal has gone, or that a person wants files to be read again.
public struct Hangup: Sendable {
    private let hadTerminal = Self.hasTerminal

    /// Looks at the terminal as it is at the start.
    public init() {}

    /// Whether the terminal of the start is gone: the system takes it from all of its processes before it tells them.
    public var isTerminalLost: Bool {
        hadTerminal && !Self.hasTerminal
    }

    private static var hasTerminal: Bool {
        let descriptor = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }
}
