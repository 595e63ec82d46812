import HypiTestSupport
import NIOCore
import NIOEmbedded
import Testing

@Suite("data between both stacks") struct TransferTests {
    private static let pattern = ByteBuffer(bytes: (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates.shared.get()
    }

    @Test("writes of a byte to a megabyte arrive as they are, both ways", arguments: Pairing.all)
    func sizes(_ pairing: Pairing) throws {
        for versions in pairing.versions {
            let link = try pairing.link(certificates, versions)
            defer { link.finish() }
            try link.carry()
            var expected = ByteBuffer()
            for size in [1, 2, 100, 16_383, 16_384, 16_385, 65_535, 65_536, 262_145, 1 << 20] {
                let bytes = try #require(Self.pattern.getSlice(at: 0, length: size))
                expected.writeImmutableBuffer(bytes)
                for end in [link.client, link.server] {
                    let written = Outcome(link.loop)
                    end.channel.writeAndFlush(bytes, promise: written.promise)
                    #expect(written.isKept)
                }
                try link.carry(piece: size < 65_536 ? 997 : 65_537)
                #expect(link.server.reader.bytes == expected && link.client.reader.bytes == expected, "\(size)")
            }
        }
    }

    @Test("what is cut at every length up to a record and a bit is put together again", arguments: Pairing.all)
    func pieces(_ pairing: Pairing) throws {
        for piece in 1...80 {
            let link = try pairing.link(certificates)
            defer { link.finish() }
            link.client.channel.writeAndFlush(Self.pattern.getSlice(at: 0, length: 300), promise: nil)
            link.server.channel.writeAndFlush(Self.pattern.getSlice(at: 0, length: 300), promise: nil)
            try link.carry(piece: piece)
            #expect(link.server.reader.bytes == Self.pattern.getSlice(at: 0, length: 300), "\(piece)")
            #expect(link.client.reader.bytes == Self.pattern.getSlice(at: 0, length: 300), "\(piece)")
        }
    }
}
