#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The few calls of the operating system that every part here shares, with errno made a value.
enum System {
    /// What a call left in errno, with the words the system has for it.
    struct Failure: Error, Sendable, CustomStringConvertible {
        let code: Int32

        init(code: Int32 = errno) {
            self.code = code
        }

        var description: String {
            String(cString: strerror(code))
        }
    }

    static let brokenPipe = EPIPE

    /// Writes all bytes, in order; waits where the reader is slow, also on a descriptor that somebody made non-blocking.
    static func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress.map { $0 + offset }, $0.count - offset)
            }
            if written >= 0 {
                offset += written
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&waiting, 1, -1)
            } else if errno != EINTR {
                throw Failure()
            }
        }
    }

    /// Reads what is there, at most `limit` bytes; empty at the end of the stream.
    static func readSome(from descriptor: Int32, limit: Int = 65536) throws(Failure) -> [UInt8] {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, initialized in
            repeat { count = read(descriptor, buffer.baseAddress, limit) } while count < 0 && errno == EINTR
            initialized = max(count, 0)
        }
        guard count >= 0 else { throw Failure() }
        return bytes
    }

    /// One line on stderr; nobody is left to be told when even that fails.
    static func diagnose(_ text: String) {
        try? writeAll(Array("pi-demo: \(text)\n".utf8), to: STDERR_FILENO)
    }

    /// Lets a write to a closed pipe fail with EPIPE instead of ending the process.
    static func ignoreBrokenPipes() {
        signal(SIGPIPE, SIG_IGN)
    }

    /// Ends the process at once with a status.
    static func exitNow(_ status: Int32) -> Never {
        exit(status)
    }

    /// The working directory; `/` where it has been removed.
    static func workingDirectory() -> String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }
}

extension System {
    /// Appends to a file that only we may read; a full disk costs the copy, not the command.
    static func append(_ bytes: [UInt8], toFile path: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return diagnose("cannot write \(path): \(Failure())") }
        defer { close(descriptor) }
        do {
            try writeAll(bytes, to: descriptor)
        } catch {
            diagnose("cannot write \(path): \(error)")
        }
    }
}

extension System {
    /// Writes a file anew.
    static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Failure() }
        defer { close(descriptor) }
        try writeAll(bytes, to: descriptor)
    }
}
