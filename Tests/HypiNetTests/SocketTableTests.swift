import NIOCore
import Testing

@testable import HypiNet

@Suite("The owner of a socket, from the tables of the kernel") struct SocketTableTests {
    private static let head =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

    private func row(_ local: String, _ remote: String, _ state: String, uid: Int, inode: Int) -> String {
        "   0: \(local) \(remote) \(state) 00000000:00000000 00:00000000 00000000  \(uid)        0 \(inode) 1 0 100\n"
    }

    private func owner(_ rows: String..., from local: String = "127.0.0.1", to remote: String = "127.0.0.1") throws
        -> SocketTable.Owner
    {
        var table = SocketTable()
        table.append(Self.head + rows.joined())
        return table.owner(
            from: try SocketAddress(ipAddress: local, port: 40_000),
            to: try SocketAddress(ipAddress: remote, port: 31415))
    }

    private static let nowhere = "00000000:0000"

    @Test("is that of the other end once a process has accepted it, whoever listens there now")
    func accepted() throws {
        let peer = row("0100007F:7AB7", "0100007F:9C40", "01", uid: 24002, inode: 77)
        let listener = row("0100007F:7AB7", Self.nowhere, "0A", uid: 1000, inode: 78)
        #expect(try owner(listener, peer) == .user(24002))
        // Our own end, the other way round, is not it.
        let own = row("0100007F:9C40", "0100007F:7AB7", "01", uid: 1000, inode: 79)
        #expect(try owner(own, peer) == .user(24002))
    }

    @Test("is that of the listener before; what the kernel prints for a connection in its queue is not looked at")
    func queued() throws {
        for state in ["01", "03"] {
            let peer = row("0100007F:7AB7", "0100007F:9C40", state, uid: 0, inode: 0)
            let listener = row("0100007F:7AB7", Self.nowhere, "0A", uid: 24002, inode: 78)
            #expect(try owner(listener, peer) == .user(24002))
        }
    }

    @Test("is that of the listener for the very address before that of one for all")
    func wildcards() throws {
        let every = row("00000000:7AB7", Self.nowhere, "0A", uid: 24002, inode: 1)
        let exact = row("0100007F:7AB7", Self.nowhere, "0A", uid: 1000, inode: 2)
        let six = row(String(repeating: "0", count: 32) + ":7AB7", Self.nowhere, "0A", uid: 24003, inode: 3)
        #expect(try owner(every, exact) == .user(1000))
        #expect(try owner(every) == .user(24002))
        #expect(try owner(six) == .user(24003))
        let otherPort = row("0100007F:7AB8", Self.nowhere, "0A", uid: 1000, inode: 2)
        #expect(try owner(otherPort) == .nobodyHere)
    }

    @Test("is found for IPv6, and for IPv4 that an IPv6 socket serves")
    func families() throws {
        let one = "00000000000000000000000001000000"
        let peer = row("\(one):7AB7", "\(one):9C40", "01", uid: 24002, inode: 77)
        #expect(try owner(peer, from: "::1", to: "::1") == .user(24002))
        let mapped = "0000000000000000FFFF00000100007F"
        #expect(try owner(row("\(mapped):7AB7", "\(mapped):9C40", "01", uid: 7, inode: 7)) == .user(7))
    }

    @Test("is unknown from what is no table")
    func damaged() throws {
        let short = "0: 0100007F:7AB7 \(Self.nowhere) 0A"
        for text in ["", "x", "0100007F:7AB7", "0: 0100007F:ZZZZ a 0A b c d e f g h", short] {
            #expect(try owner(text + "\n") == .nobodyHere)
        }
    }
}
