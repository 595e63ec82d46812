@testable import HypiNet
import HypiWire
import NIOCore
import Testing

@Suite("FrameDecoder and FrameEncoder")
struct FrameDecoderTests {
    private static let frames: [Frame] = [
        Frame(opcode: .text, payload: ByteBuffer(string: "Hello")), Frame(opcode: .binary),
        Frame(isFinal: false, opcode: .text, payload: ByteBuffer(repeating: 1, count: 126)),
        Frame(isFinal: true, opcode: .continuation, payload: ByteBuffer(repeating: 2, count: 70_000)),
        Frame(opcode: .ping, payload: ByteBuffer(repeating: 3, count: 125)), .close(.goingAway, "bye"),
    ]

    private func encode(_ frames: [Frame], for role: Role) -> ByteBuffer {
        var bytes = ByteBuffer()
        for frame in frames { FrameEncoder.write(frame, mask: role == .server ? 0x1234_5678 : nil, to: &bytes) }
        return bytes
    }

    private func decode(_ pieces: [ByteBuffer], role: Role) throws(FrameFault) -> [Frame] {
        var decoder = FrameDecoder(role: role)
        var frames: [Frame] = []
        for piece in pieces {
            decoder.append(piece)
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }

    private func cut(_ bytes: ByteBuffer, into size: Int) -> [ByteBuffer] {
        var rest = bytes
        var pieces: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(size, rest.readableBytes)), piece.readableBytes > 0 {
            pieces.append(piece)
        }
        return pieces
    }

    @Test("what was encoded is decoded, however the bytes are cut", arguments: Bench.roles)
    func everyCut(role: Role) throws {
        let bytes = encode(Self.frames, for: role)
        #expect(try decode([bytes], role: role) == Self.frames)
        for size in [1, 2, 3, 5, 7, 64, 1000, 65_537] {
            #expect(try decode(cut(bytes, into: size), role: role) == Self.frames)
        }
        let short = encode([Self.frames[0], Self.frames[4], Self.frames[5]], for: role)
        for position in 0...short.readableBytes {
            var rest = short
            let head = rest.readSlice(length: position) ?? ByteBuffer()
            #expect(try decode([head, rest], role: role).count == 3)
        }
    }

    @Test("the frames of RFC 6455 section 5.7")
    func examples() throws {
        let masked: [UInt8] = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
        #expect(try decode([ByteBuffer(bytes: masked)], role: .server) == [Self.frames[0]])
        let plain: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]
        #expect(try decode([ByteBuffer(bytes: plain)], role: .client) == [Self.frames[0]])
        var encoded = ByteBuffer()
        FrameEncoder.write(Self.frames[0], mask: 0x37FA_213D, to: &encoded)
        #expect(Array(buffer: encoded) == masked)
    }

    @Test("a fault is found at the first byte that shows it")
    func failFast() {
        let cases: [([UInt8], CloseCode)] = [
            ([0xC1], .protocolError), ([0x83], .protocolError), ([0x09], .protocolError),
            ([0x81, 0x05], .protocolError),
            ([0x89, 0xFE], .protocolError), ([0x82, 0xFE, 0, 125], .protocolError),
            ([0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], .protocolError),
            ([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0], .protocolError),
            ([0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 1], .messageTooBig),
        ]
        for (bytes, code) in cases {
            #expect(throws: FrameFault.self) { try decode([ByteBuffer(bytes: bytes)], role: .server) }
            do throws(FrameFault) {
                #expect(try decode([ByteBuffer(bytes: bytes.dropLast())], role: .server).isEmpty)
                _ = try decode([ByteBuffer(bytes: bytes)], role: .server)
            } catch {
                #expect(error.code == code, "\(bytes)")
            }
        }
    }

    @Test("a stream whose pieces never end where a frame does holds no more than the frame that is missing")
    func memory() throws {
        let payload = ByteBuffer(repeating: 1, count: 60_000)
        var stream = encode(Array(repeating: Frame(opcode: .binary, payload: payload), count: 200), for: .client)
        var decoder = FrameDecoder(role: .client)
        var count = 0
        var longest = 0
        while let piece = stream.readSlice(length: min(65_536, stream.readableBytes)), piece.readableBytes > 0 {
            // As a socket delivers it: in storage of its own.
            decoder.append(ByteBuffer(bytes: piece.readableBytesView))
            while let frame = try decoder.next() {
                count += 1
                longest = max(longest, frame.payload.storageCapacity)
            }
        }
        #expect(count == 200)
        #expect(longest <= 512 << 10)
    }

    @Test("a long frame comes in pieces, cut anywhere, and goes out again as the same bytes", arguments: Bench.roles)
    func parts(role: Role) throws {
        let bytes = encode(Self.frames, for: role)
        for size in [1, 3, 7, 64, 1000, 4096, 65_536, bytes.readableBytes] {
            var decoder = FrameDecoder(role: role, partBytes: 1000)
            var (again, payload) = (ByteBuffer(), ByteBuffer())
            for piece in cut(bytes, into: size) {
                decoder.append(piece)
                while let frame = try decoder.next() {
                    #expect((frame.part != nil) == (frame.opcode == .continuation))
                    #expect(frame.part.map { $0.offset == payload.readableBytes } ?? true)
                    if frame.part != nil { payload.writeImmutableBuffer(frame.payload) }
                    FrameEncoder.write(frame, mask: role == .server ? 0x1234_5678 : nil, to: &again)
                }
            }
            #expect(payload == Self.frames[3].payload)
            #expect(again == bytes)
        }
    }

    @Test("masking is the XOR of every byte with the mask's, at every length and place")
    func masking() {
        for length in 0..<40 {
            var payload = ByteBuffer(bytes: (0..<length + 3).map { UInt8($0) })
            payload.moveReaderIndex(forwardBy: 3)
            var masked = ByteBuffer(bytes: [9])
            Masking.append(payload, mask: 0xA1B2_C3D4, to: &masked)
            let mask: [UInt8] = [0xA1, 0xB2, 0xC3, 0xD4]
            let expected = payload.readableBytesView.enumerated().map { $1 ^ mask[$0 % 4] }
            #expect(Array(buffer: masked) == [9] + expected)
        }
    }

    @Test("a close reason is cut at a character's end, so that it stays text")
    func closeReason() {
        for reason in [String(repeating: "é", count: 90), String(repeating: "👩‍👩‍👧", count: 20), ""] {
            let frame = Frame.close(.goingAway, reason)
            #expect(frame.payload.readableBytes <= 125)
            let text = String(validating: frame.payload.readableBytesView.dropFirst(2), as: UTF8.self)
            #expect(text.map { reason.hasPrefix($0) } == true)
        }
        #expect(Frame.close(.noStatus, "never sent").payload.readableBytes == 0)
    }
}

@Suite("MessageAssembler")
struct MessageAssemblerTests {
    private func accept(_ frames: [Frame], limit: Int = 100, assembles: Bool = true) throws(FrameFault)
        -> [MessageAssembler.Output]
    {
        var assembler = MessageAssembler(messageLimit: limit, assembles: assembles)
        var outputs: [MessageAssembler.Output] = []
        for frame in frames { outputs.append(try assembler.accept(frame)) }
        return outputs
    }

    private func part(_ opcode: Frame.Opcode, _ text: String, final isFinal: Bool = false) -> Frame {
        Frame(isFinal: isFinal, opcode: opcode, payload: ByteBuffer(string: text))
    }

    @Test("fragments are put together, control frames pass between them, the next message starts anew")
    func fragments() throws {
        let outputs = try accept([
            part(.text, "a"), part(.ping, "p", final: true), part(.continuation, ""),
            part(.continuation, "b", final: true), part(.binary, "c", final: true),
        ])
        #expect(
            outputs == [
                .partial, .ping(ByteBuffer(string: "p")), .partial,
                .message(Message(isText: true, payload: ByteBuffer(string: "ab"))),
                .message(Message(isText: false, payload: ByteBuffer(string: "c"))),
            ])
    }

    @Test("the limit counts all fragments; a relay leaves limit and text to the endpoints, but not the order")
    func limits() throws {
        let half = String(repeating: "x", count: 51)
        let tooLong = [part(.text, half), part(.continuation, half, final: true)]
        #expect(throws: FrameFault(code: .messageTooBig, reason: "message over 100 bytes")) { try accept(tooLong) }
        #expect(try accept(tooLong, assembles: false) == [.partial, .partial])
        let notText = Frame(opcode: .text, payload: ByteBuffer(bytes: [0xFF]))
        #expect(try accept([notText], assembles: false) == [.partial])
        #expect(throws: FrameFault.self) { try accept([notText]) }
        #expect(throws: FrameFault.self) { try accept([part(.continuation, "x")], assembles: false) }
    }
}

@Suite("UTF8Validator")
struct UTF8ValidatorTests {
    private func isValid(_ pieces: [[UInt8]]) -> Bool {
        var validator = UTF8Validator()
        for piece in pieces {
            guard piece.withUnsafeBytes({ validator.accept($0) }) else { return false }
        }
        return validator.isAtBoundary
    }

    @Test("agrees with the standard library at the boundaries of every length, whole and in single bytes")
    func boundaries() async {
        let interesting: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
            0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        // Behind the second byte only being a continuation or not matters.
        let continuing: [UInt8] = [0x41, 0x7F, 0x80, 0xBF, 0xC0, 0xF1]
        for a in interesting {
            await Task.yield()
            for b in interesting {
                for c in continuing {
                    for d in continuing {
                        let bytes = [a, b, c, d]
                        let expected = String(validating: bytes, as: UTF8.self) != nil
                        guard isValid([bytes]) == expected, isValid(bytes.map { [$0] }) == expected else {
                            Issue.record("\(bytes)")
                            return
                        }
                    }
                }
            }
        }
    }

    @Test("agrees with the standard library on random text with random damage, cut anywhere")
    func random() async {
        var generator = SeededGenerator(seed: 7)
        for round in 0..<20_000 {
            if round % 50 == 0 { await Task.yield() }
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let scalar = Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &generator)) ?? "x"
                bytes += Array(String(Character(scalar)).utf8)
            }
            if !bytes.isEmpty, Bool.random(using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = .random(in: .min ... .max, using: &generator)
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let expected = String(validating: bytes, as: UTF8.self) != nil
            guard isValid([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected else {
                Issue.record("\(bytes) cut at \(cut)")
                return
            }
        }
    }
}

/// SplitMix64: the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
