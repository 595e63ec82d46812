import NIOCore

/// The TCP sockets of this network namespace, as proc_net_tcp(5) prints them.
///
/// A pure value: the text of `/proc/net/tcp` and `/proc/net/tcp6` goes in, rows come out.
struct SocketTable: Sendable {
    /// One socket.
    struct Row: Sendable, Equatable {
        /// Address and port of its own end, as the kernel prints them.
        var local: Endpoint
        /// Address and port of the other end; all zero for a socket that listens.
        var remote: Endpoint
        var isListening: Bool
        /// Who made the socket, in the numbers of our own user namespace.
        var user: UInt32
        /// Whether a process holds it; a connection that was not accepted yet belongs to its listener.
        var isHeld: Bool
    }

    /// An address in the kernel's spelling (hexadecimal, words in host order) and a port.
    struct Endpoint: Sendable, Hashable {
        var address: String
        var port: Int

        init(address: String, port: Int) {
            self.address = address
            self.port = port
        }

        /// Reads `0100007F:7AB7`; `nil` for anything else.
        init?(_ field: Substring) {
            guard let colon = field.firstIndex(of: ":"), let port = Int(field[field.index(after: colon)...], radix: 16)
            else { return nil }
            self.init(address: String(field[..<colon]), port: port)
        }

        /// The ways the kernel may print an address: that of IPv4 also as IPv6 sockets see it.
        static func spellings(of address: SocketAddress) -> [Endpoint] {
            guard let port = address.port else { return [] }
            // sin_addr and sin6_addr stand at these places in their structures on every system.
            let words = address.withSockAddr { pointer, size in
                let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
                let offsets = address.protocol == .inet ? [4] : [8, 12, 16, 20]
                return offsets.map { hexadecimal(bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)) }
            }
            let text = words.joined()
            guard address.protocol != .inet else {
                return [Endpoint(address: text, port: port), Endpoint(address: mapped + text, port: port)]
            }
            let isMapped = text.hasPrefix(mapped)
            return [Endpoint(address: text, port: port)]
                + (isMapped ? [Endpoint(address: String(text.dropFirst(mapped.count)), port: port)] : [])
        }

        /// The addresses that mean every address of a family.
        static let wildcards = [String(repeating: "0", count: 8), String(repeating: "0", count: 32)]

        private static let mapped = hexadecimal(0) + hexadecimal(0) + hexadecimal(UInt32(0xFFFF).bigEndian)

        private static func hexadecimal(_ word: UInt32) -> String {
            let digits = String(word, radix: 16, uppercase: true)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
    }

    private(set) var rows: [Row] = []

    /// Adds the rows of one file; lines that are none are left out.
    mutating func append(_ text: String) {
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 9, let local = Endpoint(fields[1]), let remote = Endpoint(fields[2]),
                let user = UInt32(fields[7])
            else { continue }
            rows.append(
                Row(
                    local: local, remote: remote, isListening: fields[3] == "0A", user: user,
                    isHeld: fields[9] != "0"))
        }
    }

    // MARK: Whose the other end is

    /// Who is at the other end of one of our connections.
    enum Owner: Sendable, Equatable {
        /// A process of this user.
        case user(UInt32)
        /// No socket of this network namespace.
        case nobodyHere
    }

    /// Finds the owner of the other end of a connection.
    ///
    /// The socket at the other end says it itself once a process has accepted it. Before that its listener decides: until
    /// it accepts, closing the listener would cut the connection. A listener for the very address takes precedence over
    /// one for all addresses, as in the kernel.
    ///
    /// - Parameters:
    ///   - local: Our end.
    ///   - remote: The other end.
    /// - Returns: The owner. Of several listeners, which share a port only within one user, the first counts.
    func owner(from local: SocketAddress, to remote: SocketAddress) -> Owner {
        if let user = holder(from: local, to: remote) { return .user(user) }
        let port = remote.port ?? 0
        let places = Endpoint.spellings(of: remote) + Endpoint.wildcards.map { Endpoint(address: $0, port: port) }
        for place in places {
            if let listener = rows.first(where: { $0.isListening && $0.local == place }) { return .user(listener.user) }
        }
        return .nobodyHere
    }

    /// The user whose process holds the other end of a connection; `nil` if none does.
    func holder(from local: SocketAddress, to remote: SocketAddress) -> UInt32? {
        let (ours, theirs) = (Endpoint.spellings(of: local), Endpoint.spellings(of: remote))
        let peer = rows.first { !$0.isListening && theirs.contains($0.local) && ours.contains($0.remote) }
        return peer.flatMap { $0.isHeld ? $0.user : nil }
    }
}
