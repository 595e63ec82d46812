#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

import HypiWire
import NIOCore
import NIOPosix

/// Makes sure that what answers on this machine belongs to the same user, before it is told anything (T-24).
///
/// Any user may listen on a loopback port that is free, so a port says nothing about who is there. root may read our
/// memory and our files as it is, so a listener of root learns nothing from the token and is accepted: a service manager
/// or a container's port forwarder may hold the port for us.
enum PeerCheck {
    /// What is known of a peer.
    enum Verdict: Sendable, Equatable {
        /// This user, or root.
        case trusted
        /// Another user, by name where the user database has one.
        case stranger(String)
        /// It cannot be told, and why.
        case unknown(String)
    }

    /// Whether a connection stays on this machine, so that its other end has an owner here.
    static func applies(from local: SocketAddress?, to remote: SocketAddress?) -> Bool {
        guard let address = remote?.ipAddress else { return false }
        return WebSocketURL.isLoopback(address) || address.hasPrefix("::ffff:127.") || address == local?.ipAddress
    }

    /// Looks at the other end of an open TCP connection; reads files, so not on an event loop.
    ///
    /// - Parameters:
    ///   - local: Our end.
    ///   - remote: The other end.
    /// - Returns: What to think of it.
    static func verdict(from local: SocketAddress, to remote: SocketAddress) -> Verdict {
        #if canImport(Glibc)
            guard isOwnUserKnown else { return .unknown("this process's user has no number in its user namespace") }
            guard let table = table() else { return .unknown("/proc/net/tcp cannot be read") }
            switch table.owner(from: local, to: remote) {
            case .user(let user): return verdict(on: user)
            case .nobodyHere: return .unknown("no program of this network namespace listens there")
            }
        #else
            // No system call of macOS names the owner of another process's socket.
            return .trusted
        #endif
    }

    /// Whether a process of our own user holds the other end of a connection; reads files, so not on an event loop.
    ///
    /// - Parameters:
    ///   - remote: The other end.
    ///   - local: Our end.
    /// - Returns: `false` also where it cannot be told.
    static func isHeldByOwnUser(_ remote: SocketAddress, from local: SocketAddress) -> Bool {
        #if canImport(Glibc)
            isOwnUserKnown && table()?.holder(from: local, to: remote) == geteuid()
        #else
            false
        #endif
    }

    /// What to think of a peer whose user is known.
    static func verdict(on user: UInt32) -> Verdict {
        user == geteuid() || user == 0 ? .trusted : .stranger(name(of: user))
    }

    /// A user as people write it.
    private static func name(of user: UInt32) -> String {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, let found, let name = found.pointee.pw_name
        else { return "uid \(user)" }
        return "\(String(cString: name).withoutControlCharacters) (uid \(user))"
    }

    #if canImport(Glibc)
        /// Whether our own user can be told from others: users without a number in our user namespace share one.
        private static var isOwnUserKnown: Bool {
            let own = geteuid()
            guard let overflow = text("/proc/sys/kernel/overflowuid").flatMap({ UInt32($0.dropLast()) }),
                own == overflow, let map = text("/proc/self/uid_map")
            else { return true }
            return map.split(separator: "\n").contains { line in
                let numbers = line.split(separator: " ").compactMap { UInt64($0) }
                return numbers.count == 3 && numbers[0]..<numbers[0] + numbers[2] ~= UInt64(own)
            }
        }

        /// The sockets of this network namespace; `nil` if they cannot be read.
        private static func table() -> SocketTable? {
            let texts = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap(text)
            guard !texts.isEmpty else { return nil }
            var table = SocketTable()
            for text in texts { table.append(text) }
            return table
        }

        /// The whole text of a small file; `nil` if it cannot be read.
        private static func text(_ path: String) -> String? {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count == 0 { return String(decoding: bytes, as: UTF8.self) }
                if count > 0 { bytes += buffer[..<count] } else if errno != EINTR { return nil }
            }
        }
    #endif
}
