import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("WebSocket frames, RFC 6455 section 5, over sockets")
struct FrameConformanceTests {
    /// Sends bytes, and expects nothing but a close frame with a code, and the end.
    private func expectClose(
        _ code: Int, after bytes: [UInt8], role: Role, options: WebSocket.Options = .init(heartbeat: nil),
        location: SourceLocation = #_sourceLocation
    ) async throws {
        let bench = try await Bench.open(role, options: options)
        await bench.peer.connection.send(bytes)
        let frames = try await bench.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [8], "\(frames)", sourceLocation: location)
        #expect(
            frames.first?.closeCode == code, "\(frames.first?.payload.dropFirst(2) ?? [])", sourceLocation: location)
        #expect(try await bench.log.closure().code.rawValue == UInt16(code), sourceLocation: location)
        #expect(!bench.log.events.contains { if case .message = $0 { true } else { false } }, sourceLocation: location)
        await bench.end()
    }

    private func mask(_ role: Role) -> [UInt8]? {
        role == .server ? [1, 2, 3, 4] : nil
    }

    @Test(
        "messages of every length form come back whole, masked by a client and by nobody else", arguments: Bench.roles)
    func lengths(role: Role) async throws {
        let bench = try await Bench.open(role)
        var sent = 0
        for length in [0, 1, 7, 8, 125, 126, 127, 65535, 65536, 200_000] {
            let payload = (0..<length).map { UInt8($0 * 31 % 128) }
            for first: UInt8 in [0x81, 0x82] {
                await bench.peer.send(first, payload)
                sent += 1
                let frames = try await bench.peer.frames(sent)
                #expect(frames.last == .init(first: first, isMasked: role == .client, payload: payload))
            }
        }
        await bench.end()
    }

    @Test("a mask in the wrong direction is 1002", arguments: Bench.roles)
    func maskingDirection(role: Role) async throws {
        let wrong = role == .server ? nil : [UInt8](arrayLiteral: 1, 2, 3, 4)
        try await expectClose(1002, after: RawPeer.frame(0x81, [65], mask: wrong), role: role)
    }

    @Test("reserved bits and opcodes are 1002", arguments: Bench.roles)
    func reserved(role: Role) async throws {
        for bits: UInt8 in [0x40, 0x20, 0x10, 0x70] {
            try await expectClose(1002, after: RawPeer.frame(0x81 | bits, [65], mask: mask(role)), role: role)
        }
        for opcode: UInt8 in Array(3...7) + Array(0xB...0xF) {
            try await expectClose(1002, after: RawPeer.frame(0x80 | opcode, mask: mask(role)), role: role)
        }
    }

    @Test("a control frame that is long or in pieces is 1002", arguments: Bench.roles)
    func controlFrames(role: Role) async throws {
        for opcode: UInt8 in [8, 9, 10] {
            let long = RawPeer.frame(0x80 | opcode, [UInt8](repeating: 65, count: 126), mask: mask(role))
            try await expectClose(1002, after: long, role: role)
            try await expectClose(1002, after: RawPeer.frame(opcode, [3, 232], mask: mask(role)), role: role)
        }
    }

    @Test("a length that is not minimal, or has its highest bit set, is 1002", arguments: Bench.roles)
    func lengthForms(role: Role) async throws {
        for (length, form) in [(125, 16), (125, 64), (65535, 64), (Int.min, 64)] {
            let bytes = RawPeer.frame(0x82, mask: mask(role), lengthForm: form, length: length)
            try await expectClose(1002, after: bytes, role: role)
        }
    }

    @Test("fragments become one message, control frames between them are served at once", arguments: Bench.roles)
    func fragments(role: Role) async throws {
        let bench = try await Bench.open(role)
        await bench.peer.send(0x01, text: "Hel")
        await bench.peer.send(0x89, text: "between")
        await bench.peer.send(0x00)
        await bench.peer.send(0x8A, text: "unasked")
        await bench.peer.send(0x00, text: "l")
        await bench.peer.send(0x80, text: "o")
        let frames = try await bench.peer.frames(2)
        #expect(frames.map(\.first) == [0x8A, 0x81] && frames.map(\.text) == ["between", "Hello"])
        await bench.end()
    }

    @Test("a continuation of nothing, and a message inside a message, are 1002", arguments: Bench.roles)
    func fragmentOrder(role: Role) async throws {
        let frame = { (first: UInt8) in RawPeer.frame(first, [65], mask: mask(role)) }
        try await expectClose(1002, after: frame(0x80), role: role)
        try await expectClose(1002, after: frame(0x00), role: role)
        try await expectClose(1002, after: frame(0x01) + frame(0x81), role: role)
        try await expectClose(1002, after: frame(0x02) + frame(0x01), role: role)
    }

    @Test("frames cut at every byte are the same frames", arguments: Bench.roles)
    func byteByByte(role: Role) async throws {
        let bench = try await Bench.open(role)
        let long = String(repeating: "é", count: 100)
        let bytes =
            bench.peer.frame(0x01, Array("h\u{E9}".utf8)) + bench.peer.frame(0x89, [1, 2])
            + bench.peer.frame(0x80, Array(long.utf8)) + bench.peer.frame(0x82)
        await bench.peer.connection.sendByteByByte(bytes)
        let frames = try await bench.peer.frames(3)
        #expect(frames.map(\.first) == [0x8A, 0x81, 0x82] && frames[1].text == "hé" + long)
        await bench.end()
    }

    @Test("text across fragments that cut characters is text", arguments: Bench.roles)
    func splitCharacters(role: Role) async throws {
        let bench = try await Bench.open(role)
        let text = "κόσμε\u{10FFFF}\u{FFFE}\u{0}𝄞"
        let bytes = Array(text.utf8)
        for index in bytes.indices {
            let first: UInt8 = (index == bytes.count - 1 ? 0x80 : 0) | (index == 0 ? 1 : 0)
            await bench.peer.send(first, [bytes[index]])
        }
        #expect(try await bench.peer.frames(1).map(\.text) == [text])
        await bench.end()
    }

    @Test(
        "text that is not UTF-8 is 1007, in one piece, and in fragments before the message is complete",
        arguments: [
            [0xFF], [0x80], [0xC0, 0xAF], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC3, 0x28],
            [0xE2, 0x82, 0x28],
        ] as [[UInt8]])
    func invalidText(bytes: [UInt8]) async throws {
        for role in Bench.roles {
            let text = Array("good ".utf8) + bytes
            try await expectClose(1007, after: RawPeer.frame(0x81, text, mask: mask(role)), role: role)
            try await expectClose(1007, after: RawPeer.frame(0x01, text, mask: mask(role)), role: role)
            let cut = text.count - 1
            try await expectClose(
                1007,
                after: RawPeer.frame(0x01, Array(text[..<cut]), mask: mask(role))
                    + RawPeer.frame(0x00, Array(text[cut...]), mask: mask(role)), role: role)
        }
    }

    @Test("text that ends within a character is 1007; binary may hold anything", arguments: Bench.roles)
    func unfinishedText(role: Role) async throws {
        try await expectClose(1007, after: RawPeer.frame(0x81, [0xE2, 0x82], mask: mask(role)), role: role)
        let bench = try await Bench.open(role)
        await bench.peer.send(0x82, [0xFF, 0xE2, 0x82])
        #expect(try await bench.peer.frames(1).map(\.payload) == [[0xFF, 0xE2, 0x82]])
        await bench.end()
    }

    @Test(
        "a message over the limit is 1009: at its header, or at the fragment that is too much", arguments: Bench.roles)
    func messageLimit(role: Role) async throws {
        let options = WebSocket.Options(messageLimit: 1000, heartbeat: nil)
        let bench = try await Bench.open(role, options: options)
        await bench.peer.send(0x82, [UInt8](repeating: 1, count: 1000))
        #expect(try await bench.peer.frames(1).map(\.payload.count) == [1000])
        await bench.end()
        let header = RawPeer.frame(0x82, mask: mask(role), length: 1001)
        try await expectClose(1009, after: header, role: role, options: options)
        let half = [UInt8](repeating: 1, count: 501)
        let fragments = RawPeer.frame(0x02, half, mask: mask(role)) + RawPeer.frame(0x00, half, mask: mask(role))
        try await expectClose(1009, after: fragments, role: role, options: options)
        let huge = RawPeer.frame(0x82, mask: mask(role), length: Int.max)
        try await expectClose(1009, after: huge, role: role)
    }

    @Test("a message over 16 MiB goes out in frames of at most that, and comes in so too")
    func longMessages() async throws {
        let length = Limits.frameBytes + 5
        let options = WebSocket.Options(messageLimit: 64 << 20, outboxLimit: nil, heartbeat: nil)
        let bench = try await Bench.open(.client, options: options)
        await bench.peer.send(0x02, [UInt8](repeating: 7, count: Limits.frameBytes))
        await bench.peer.send(0x80, [UInt8](repeating: 7, count: 5))
        try await bench.peer.connection.received.wait("the echo") { bytes, _ in bytes.count > length + 20 }
        let frames = try await bench.peer.frames(2)
        #expect(frames.map(\.first) == [0x02, 0x80] && frames.map(\.payload.count) == [Limits.frameBytes, 5])
        await bench.end()
    }
}
