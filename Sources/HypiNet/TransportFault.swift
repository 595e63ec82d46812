import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Turns what the transport throws into the few words a person needs.
enum TransportFault {
    /// The operating system's own reason, in lower case, or the error's name.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: message(errno: error.errnoCode)
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { reason($0.error) } ?? resolution(error)
        case let error as SocketAddressError: "\(error)"
        case ChannelError.connectTimeout: "timed out"
        case is NIOConnectionError: "unreachable"
        case let error as TLSError: error.description
        default: "\(error)"
        }
    }

    /// The system's text for an error number, such as `connection refused`.
    static func message(errno code: CInt) -> String {
        String(cString: strerror(code)).lowercased()
    }

    private static func resolution(_ error: NIOConnectionError) -> String {
        error.dnsAError == nil && error.dnsAAAAError == nil ? "unreachable" : "no such host"
    }
}
