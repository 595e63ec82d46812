import CPlatform
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A process of this machine that somebody waits for; a later process with the same pid is not taken for it.
public final class RunningProcess: Sendable {
    private let descriptor: CInt

    /// Takes hold of a process; `nil` if it has ended, or the system has no descriptors of processes.
    public init?(_ process: Int) {
        guard let pid = pid_t(exactly: process), pid > 0 else { return nil }
        descriptor = hypi_open_process(pid)
        if descriptor < 0 { return nil }
    }

    deinit {
        close(descriptor)
    }

    /// Returns when it has ended, or the time has passed.
    public func ended(within limit: Duration) async {
        let milliseconds = CInt(clamping: limit.components.seconds * 1000)
        // Only a pool that is shut down throws, and this one never is.
        try? await NIOThreadPool.singleton.runIfActive { [self] in
            // The descriptor stays open as long as this object is there.
            defer { withExtendedLifetime(self) {} }
            var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while poll(&request, 1, milliseconds) < 0, errno == EINTR {}
        }
    }
}
