import HypiTestSupport
import NIOCore
import NIOEmbedded
import Testing

@Suite("handshakes of both stacks") struct HandshakeTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates.shared.get()
    }

    @Test("what was written before the handshake arrives after it, whole or a byte at a time", arguments: Pairing.all)
    func handshake(_ pairing: Pairing) throws {
        for versions in pairing.versions {
            for piece in [1, 7, 1000, .max] {
                let link = try pairing.link(certificates, versions)
                defer { link.finish() }
                link.client.channel.writeAndFlush(ByteBuffer(string: "question"), promise: nil)
                link.server.reader.onRead = { context in
                    if link.server.reader.text == "question" {
                        context.writeAndFlush(NIOAny(ByteBuffer(string: "answer")), promise: nil)
                    }
                }
                try link.carry(piece: piece)
                #expect(link.server.reader.text == "question" && link.client.reader.text == "answer")
                #expect(Verdict(link.server.reader.errors + link.client.reader.errors) == .fine)
            }
        }
    }

    @Test("a certificate is for its names", arguments: Pairing.all)
    func names(_ pairing: Pairing) throws {
        for (pair, host, isRight) in [
            (certificates.named, "localhost", true), (certificates.named, "LocalHost", true),
            (certificates.named, "example.org", false), (certificates.named, "sub.localhost", false),
            (certificates.star, "a.example.org", true), (certificates.star, "a.b.example.org", false),
            (certificates.star, "example.org", false), (certificates.star, "localhost", false),
        ] {
            let (server, client) = try refuse(pairing, pair, host: host)
            #expect(client == (isRight ? .fine : .untrusted), "\(host)")
            #expect(server == (isRight ? "secret" : ""), "\(host)")
        }
    }

    @Test("a certificate of another authority, of itself or of yesterday is refused", arguments: Pairing.all)
    func certificates(_ pairing: Pairing) throws {
        for pair in [certificates.stranger, certificates.selfSigned, certificates.expired] {
            let (server, client) = try refuse(pairing, pair, host: "localhost")
            #expect(client == .untrusted && server.isEmpty, "\(pair.certificate)")
        }
    }

    @Test("a name is not made good by an address that is in the certificate, too")
    func addressForName() throws {
        for server in Stack.allCases {
            let pairing = Pairing(server: server, client: .hypi)
            let (text, client) = try refuse(pairing, certificates.good, host: "example.org")
            #expect(client == .untrusted && text.isEmpty)
        }
    }

    /// Lets a client that has something to say meet a certificate.
    private func refuse(
        _ pairing: Pairing, _ pair: TestCertificates.Pair, host: String
    ) throws -> (server: String, client: Verdict) {
        let link = try MemoryLink(
            server: [try pairing.server.server(pair)],
            client: [try pairing.client.client(certificates.authority.authority, host: host)])
        defer { link.finish() }
        let secret = Outcome(link.loop)
        link.client.channel.writeAndFlush(ByteBuffer(string: "secret"), promise: secret.promise)
        try link.carry()
        let verdict = Verdict(link.client.reader.errors)
        // Ours gives the alert three seconds to arrive, the oracle gives its goodbye five.
        link.loop.advanceTime(by: .seconds(10))
        #expect(secret.isKept == (verdict == .fine) && secret.result != nil, "what was not sent is said to be so")
        #expect(link.client.channel.isActive == (verdict == .fine))
        return (link.server.reader.text, verdict)
    }

    @Test("TLS 1.1 and older are refused", arguments: Pairing.all.filter { $0.server != $0.client })
    func old(_ pairing: Pairing) throws {
        let link = try pairing.link(certificates, .old)
        defer { link.finish() }
        link.client.channel.writeAndFlush(ByteBuffer(string: "secret"), promise: nil)
        try link.carry()
        #expect(Verdict(link.client.reader.errors) == .failed && Verdict(link.server.reader.errors) == .failed)
        #expect(link.server.reader.text.isEmpty)
    }
}
