public import HypiWire
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Standard output: data, and nothing else; whole records, written at once.
///
/// Pipes and files get unchanged bytes. A terminal gets them without what it would obey instead of showing it: this is the
/// one place that decides so, for all programs and modes.
///
/// A reader that has gone (`| head -1`) ends the tool as SIGPIPE would, quietly; a full disk or a closed descriptor is
/// a ``Failure`` with status 74, never a success.
public enum StandardOutput {
    /// Whether a person looks at it.
    public static var isTerminal: Bool {
        isatty(STDOUT_FILENO) == 1
    }

    /// Keeps the places of standard descriptors that are closed, before anything else is opened.
    ///
    /// Otherwise the next socket becomes descriptor 1, and what is printed goes to a peer.
    public static func keepPlace() {
        _ = isClosed
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// Whether we were started without a standard output.
    ///
    /// The runtime's own event descriptor may have taken the place by now; it has no file type.
    private static let isClosed: Bool = {
        var status = stat()
        return fstat(STDOUT_FILENO, &status) != 0 || status.st_mode & S_IFMT == 0
    }()

    /// One filter for all that is written, since a sequence may be cut over two pieces.
    private static let filter = Mutex(TerminalFilter(.lines))

    /// Writes one NDJSON record.
    ///
    /// - Throws: ``Failure`` with status 74.
    public static func write(record: JSON) throws(Failure) {
        try write(records: record.record)
    }

    /// Writes NDJSON records: on a terminal with control characters as `\u` escapes.
    ///
    /// - Throws: ``Failure`` with status 74.
    public static func write(records bytes: [UInt8]) throws(Failure) {
        try writeUnchanged(shown(records: bytes))
    }

    /// NDJSON records as ``write(records:)`` writes them.
    public static func shown(records bytes: [UInt8]) -> [UInt8] {
        isTerminal ? Array(String(decoding: bytes, as: UTF8.self).withEscapedControlCharacters.utf8) : bytes
    }

    /// Writes text: on a terminal without escape sequences and other control characters.
    ///
    /// - Throws: ``Failure`` with status 74.
    public static func write(_ text: String) throws(Failure) {
        try write(Array(text.utf8))
    }

    /// Writes a piece of a text, which may be cut anywhere: on a terminal without escape sequences and other control
    /// characters.
    ///
    /// - Throws: ``Failure`` with status 74.
    public static func write(_ bytes: [UInt8]) throws(Failure) {
        try writeUnchanged(isTerminal ? filter.withLock { $0.append(bytes) } : bytes)
    }

    /// Writes text with escape sequences of our own; what a peer said has been cleaned before it became a part of it.
    ///
    /// - Throws: ``Failure`` with status 74.
    public static func write(styled text: String) throws(Failure) {
        try writeUnchanged(Array(text.utf8))
    }

    private static func writeUnchanged(_ bytes: [UInt8]) throws(Failure) {
        let code = isClosed ? EBADF : writeAll(bytes, to: STDOUT_FILENO)
        if code == EPIPE { SignalExit.raise(SIGPIPE) }
        guard code == 0 else {
            throw Failure(
                .inputOutput, "cannot write to standard output: \(String(cString: strerror(code)).lowercased())")
        }
    }

    /// Ends the program as SIGPIPE would as soon as the reader of standard output has gone.
    ///
    /// For programs that may wait for hours before they write again: `hypi-ls --watch | head -3` ends with `head`.
    public static func endWithReader() {
        var status = stat()
        guard fstat(STDOUT_FILENO, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { return }
        Task.detached { [thread = NIOThreadPool.singleton] in
            // Only a pool that is shut down throws, and this one never is.
            try? await thread.runIfActive {
                var request = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
                while poll(&request, 1, -1) < 0, errno == EINTR {}
                if request.revents & Int16(POLLERR | POLLHUP) != 0 { SignalExit.raise(SIGPIPE) }
            }
        }
    }

    /// Writes bytes to a descriptor, waiting where it is non-blocking.
    ///
    /// - Returns: 0, or the system's error number.
    public static func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { raw -> Int in
                #if canImport(Glibc)
                    Glibc.write(descriptor, raw.baseAddress?.advanced(by: offset), raw.count - offset)
                #else
                    Darwin.write(descriptor, raw.baseAddress?.advanced(by: offset), raw.count - offset)
                #endif
            }
            if count >= 0 {
                offset += count
            } else if errno == EAGAIN {
                // Somebody who shares the descriptor made it non-blocking; wait for room.
                var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&request, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
