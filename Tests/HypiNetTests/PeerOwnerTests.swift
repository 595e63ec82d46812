import HypiTestSupport
import NIOCore
import NIOPosix
import Testing

@testable import HypiNet

@Suite("Whose program a connection belongs to") struct PeerOwnerTests {
    private func owner(at host: String, _ port: Int) async throws -> (PeerOwner, any Channel) {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: host, port: port).get()
        return (PeerOwner(local: channel.localAddress, remote: channel.remoteAddress), channel)
    }

    @Test("is not said of an end that is unknown or on another machine")
    func elsewhere() throws {
        let here = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        let there = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
        #expect(!PeerOwner(local: nil, remote: nil).isOwnUser)
        #expect(!PeerOwner(local: here, remote: there).isOwnUser)
        #expect(!PeerOwner(local: here, remote: here).isOwnUser)
    }

    @Test(
        "is never our user for another user's end",
        .enabled(if: Stranger.isAvailable, "acting as another user needs root and Linux"))
    func stranger() async throws {
        let stranger = try Stranger()
        let (owner, channel) = try await owner(at: "127.0.0.1", stranger.port)
        #expect(!owner.isOwnUser)
        try await channel.close()
        _ = try await stranger.stop()
    }

    @Test("is the holder of the other end alone: neither root nor whoever listens at that port")
    func holder() throws {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        let (local, remote) = (
            try SocketAddress(ipAddress: "127.0.0.1", port: 40_000),
            try SocketAddress(ipAddress: "127.0.0.1", port: 31415)
        )
        func holder(_ rows: String) -> UInt32? {
            var table = SocketTable()
            table.append(head + rows)
            return table.holder(from: local, to: remote)
        }
        let rest = "00000000:00000000 00:00000000 00000000"
        let listener = "0: 0100007F:7AB7 00000000:0000 0A \(rest) 1000 0 78 1 0 100\n"
        #expect(holder(listener) == nil)
        #expect(holder(listener + "1: 0100007F:7AB7 0100007F:9C40 01 \(rest) 24002 0 77 1 0 100\n") == 24002)
        #expect(holder(listener + "1: 0100007F:7AB7 0100007F:9C40 01 \(rest) 1000 0 0 1 0 100\n") == nil)
    }
}
