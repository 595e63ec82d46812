import CTerminal
import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Another user of this machine who listens on a TCP port, and keeps what they are told.
public final class Stranger: Sendable {
    /// The user, who is nobody.
    public static let user: UInt32 = 65_534
    /// Whether the tests may act as another user: as root, on Linux.
    public static let isAvailable: Bool = {
        #if os(Linux)
            geteuid() == 0
        #else
            false
        #endif
    }()

    /// The port.
    public let port: Int
    private let listener: CInt
    private let accepts: Bool
    private let heard = Transcript()

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - address: A loopback address.
    ///   - port: The port; 0 for a free one.
    ///   - accepts: Whether connections are accepted at once, or left to the kernel until ``stop()``.
    /// - Throws: What the system said.
    public init(on address: String = "127.0.0.1", port: Int = 0, accepts: Bool = true) throws {
        var bound = CInt(port)
        listener = hypi_listen_as(Self.user, address, &bound)
        guard listener >= 0 else { throw DeadlinePassed("cannot listen as \(Self.user): \(errno)") }
        self.port = Int(bound)
        self.accepts = accepts
        guard accepts else { return }
        let (listener, heard) = (listener, heard)
        Thread.detachNewThread {
            Self.readAll(listener, heard)
            heard.end()
        }
    }

    /// Stops listening.
    ///
    /// - Returns: All bytes that came.
    public func stop() async throws -> String {
        if accepts {
            shutdown(listener, CInt(SHUT_RDWR))
            try await heard.wait("the stranger's end") { $1 }
        } else {
            _ = fcntl(listener, F_SETFL, O_NONBLOCK)
            Self.readAll(listener, heard)
        }
        close(listener)
        return heard.text
    }

    /// Accepts connections and reads each to its end, until there are no more.
    private static func readAll(_ listener: CInt, _ heard: Transcript) {
        while case let connection = hypi_accept_as(user, listener), connection >= 0 {
            var limit = timeval(tv_sec: 2, tv_usec: 0)
            setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = recv(connection, &buffer, buffer.count, 0), count > 0 {
                heard.append(buffer[..<count])
            }
            close(connection)
        }
    }
}
