import COpenSSL
@testable import HypiNet
import NIOCore
import Testing

@Suite("TLS sessions in memory")
struct TLSSessionTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    @Test("a handshake that is cut at any byte ends as one that is whole, and carries the same text")
    func everyCut() throws {
        let lengths = try SessionPair(rules).flights().map(\.readableBytes)
        #expect(lengths.count == 3)
        for (number, length) in lengths.enumerated() {
            for cut in 0...length {
                let pair = try SessionPair(rules)
                _ = try pair.flights { index, bytes in
                    guard index == number, let head = bytes.readSlice(length: min(cut, bytes.readableBytes)) else {
                        return
                    }
                    let to = index % 2 == 0 ? pair.server : pair.client
                    try to.receive(head)
                    _ = try to.handshake()
                }
                try #require(pair.client.isEstablished && pair.server.isEstablished, "flight \(number), cut at \(cut)")
                var encrypted = ByteBuffer()
                try pair.client.write(ByteBuffer(string: "hello"), to: &encrypted)
                while let byte = encrypted.readSlice(length: 1) { try pair.server.receive(byte) }
                #expect(try SessionPair.text(pair.server).text == "hello")
            }
        }
    }

    @Test("no flipped bit of the server's flight goes unnoticed")
    func everyBit() throws {
        var length = 0
        _ = try SessionPair(rules).flights { index, bytes in if index == 1 { length = bytes.readableBytes } }
        #expect(length > 300)
        for bit in stride(from: 0, to: (length - 8) * 8, by: 1) {
            let pair = try SessionPair(rules)
            var isNoticed = false
            do {
                _ = try pair.flights { index, bytes in
                    guard index == 1, let byte = bytes.getInteger(at: bit / 8, as: UInt8.self) else { return }
                    bytes.setInteger(byte ^ (1 << UInt8(bit % 8)), at: bit / 8)
                }
                // What the client did not refuse leaves the two with other keys, or waiting for more.
                isNoticed = !pair.client.isEstablished || !pair.server.isEstablished
                if !isNoticed { isNoticed = try !carriesText(pair) }
            } catch is TLSError {
                isNoticed = true
            }
            // The version of a record's envelope is looked at by nobody (RFC 8446 section 5.1).
            if !isNoticed { try #require(isEnvelopeVersion(bit / 8), "bit \(bit) of \(length * 8)") }
        }
    }

    private func isEnvelopeVersion(_ offset: Int) -> Bool {
        offset == 2
    }

    private func carriesText(_ pair: SessionPair) throws -> Bool {
        var encrypted = ByteBuffer()
        try pair.server.write(ByteBuffer(string: "hello"), to: &encrypted)
        try pair.client.receive(encrypted)
        return try SessionPair.text(pair.client).text == "hello"
    }

    @Test("the peer's goodbye is an end, and comes behind everything that was sent")
    func goodbye() throws {
        let pair = try SessionPair(rules)
        _ = try pair.flights()
        var encrypted = ByteBuffer()
        try pair.server.write(ByteBuffer(string: "last words"), to: &encrypted)
        pair.server.close()
        pair.server.takeOutput(into: &encrypted)
        try pair.client.receive(encrypted)
        let read = try SessionPair.text(pair.client)
        #expect(read.text == "last words" && read.last == .ended)
    }

    @Test("a server's name or address must be in its certificate")
    func names() throws {
        for (host, isRight) in [
            ("localhost", true), ("localhost.", true), ("LOCALHOST", true), ("127.0.0.1", true), ("127.0.0.2", false),
            ("example.org", false), ("sub.localhost", false), ("::1", false),
        ] {
            let (server, client) = (try TLSSession(rules.server), try TLSSession(rules.client, host: host))
            _ = try client.handshake()
            try server.receive(SessionPair.output(client))
            _ = try server.handshake()
            try client.receive(SessionPair.output(server))
            if isRight {
                #expect(try client.handshake(), "\(host)")
            } else {
                let word =
                    host.first?.isNumber == true || host.contains(":") ? "IP address mismatch" : "hostname mismatch"
                #expect(throws: TLSError.untrusted(reason: word), "\(host)") { try client.handshake() }
                #expect(SessionPair.output(client).readableBytes > 0, "an alert tells the server")
            }
        }
    }

    @Test("a pin stands for one certificate, whatever its name; another one is refused and shown")
    func pin() throws {
        let pin = try #require(rules.server.pin)
        let other = try TLSRules(names: ["else"])
        for (rules, isRight) in [(rules, true), (other, false)] {
            let client = try TLSSession(try TLSConfiguration(TLSTrust(pin: pin)), host: "whoever.example")
            let server = try TLSSession(rules.server)
            _ = try client.handshake()
            try server.receive(SessionPair.output(client))
            _ = try server.handshake()
            try client.receive(SessionPair.output(server))
            if isRight {
                #expect(try client.handshake())
            } else {
                let shown = try #require(other.server.pin)
                #expect(throws: TLSError.otherPin(shown: "\(shown)")) { try client.handshake() }
            }
        }
    }

    @Test("a pin is 64 digits with colons between pairs or without")
    func pinText() throws {
        let plain = String(repeating: "0aF9", count: 16)
        let pairs = stride(from: 0, to: 64, by: 2).map { String(plain.dropFirst($0).prefix(2)) }
        let pin = try #require(TLSPin(plain))
        #expect(TLSPin(pairs.joined(separator: ":")) == pin && "\(pin)" == plain.lowercased())
        for wrong in [
            "", "0aF9", plain + "0", String(plain.dropLast()) + "g", "0a:F9" + plain.dropFirst(4), " " + plain,
        ] {
            #expect(TLSPin(wrong) == nil, "\(wrong)")
        }
    }

    @Test("every key update of a flood is answered by one small record, which the handler counts")
    func keyUpdates() throws {
        let pair = try SessionPair(rules)
        _ = try pair.flights()
        for _ in 0..<2000 {
            #expect(SSL_key_update(pair.client.session, SSL_KEY_UPDATE_REQUESTED) == 1)
            var encrypted = ByteBuffer()
            try pair.client.write(ByteBuffer(string: "x"), to: &encrypted)
            try pair.server.receive(encrypted)
            #expect(try SessionPair.text(pair.server).text == "x")
        }
        let answers = SessionPair.output(pair.server)
        #expect(answers.readableBytes < 2000 * 64)
        try pair.client.receive(answers)
        var encrypted = ByteBuffer()
        try pair.server.write(ByteBuffer(string: "y"), to: &encrypted)
        try pair.client.receive(encrypted)
        #expect(try SessionPair.text(pair.client).text == "y")
    }

    @Test("memory does not grow with handshakes")
    func flatMemory() throws {
        let count = TestEffort.handshakes
        for _ in 0..<200 { _ = try SessionPair(rules).flights() }
        let before = TestEffort.residentBytes()
        for _ in 0..<count { _ = try SessionPair(rules).flights() }
        let growth = TestEffort.residentBytes() - before
        #expect(growth < 16 << 20, "\(growth) bytes more after \(count) handshakes")
    }
}
