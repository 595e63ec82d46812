import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Waits until a descriptor can be read, also a non-blocking one, and can be stopped.
///
/// A thread in read(2) cannot be stopped; one in poll(2) can, by a pipe beside the descriptor.
final class InputWait: Sendable {
    private let ends: (read: CInt, write: CInt)

    /// - Throws: ``InputRecords/ReadError`` if there is no descriptor left.
    init() throws(InputRecords.ReadError) {
        var ends: [CInt] = [-1, -1]
        guard hypi_pipe(&ends) == 0 else { throw .init(code: errno) }
        self.ends = (ends[0], ends[1])
    }

    deinit {
        close(ends.read)
        close(ends.write)
    }

    /// Ends the wait that is under way, and every later one.
    func stop() {
        var byte: UInt8 = 0
        // One byte fits into an empty pipe, and is never taken out.
        _ = write(ends.write, &byte, 1)
    }

    /// Waits on the calling thread.
    ///
    /// - Parameters:
    ///   - descriptor: What is going to be read.
    ///   - milliseconds: How long; -1: as long as it takes.
    /// - Returns: Whether reading makes sense now: there are bytes, the end or an error.
    func untilReadable(_ descriptor: CInt, milliseconds: CInt = -1) -> Bool {
        var requests = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: ends.read, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let count = poll(&requests, nfds_t(requests.count), milliseconds)
            if count < 0, errno == EINTR { continue }
            return requests[1].revents == 0 && count != 0
        }
    }
}
