import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("Compressed messages, RFC 7692 section 7.2") struct DeflateStreamTests {
    private func inflate(
        _ stream: InflateStream, _ bytes: [UInt8], isLast: Bool = true, limit: Int = 1 << 20
    ) throws -> String {
        String(buffer: try stream.decompress(ByteBuffer(bytes: bytes), isLast: isLast, limit: limit))
    }

    private func deflate(_ stream: DeflateStream, _ text: String) -> [UInt8] {
        var bytes = ByteBuffer()
        stream.compress(ByteBuffer(string: text), to: &bytes)
        return Array(buffer: bytes)
    }

    @Test("the examples of section 7.2.3 are read, and the first two are written") func examples() throws {
        let reader = try #require(InflateStream())
        let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]
        let again: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
        #expect(try inflate(reader, hello) == "Hello")
        #expect(try inflate(reader, again) == "Hello", "with what came before in mind (7.2.3.2)")
        #expect(try inflate(reader, [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]) == "Hello")
        #expect(try inflate(reader, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]) == "Hello", "a last block")
        #expect(
            try inflate(reader, [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00])
                == "Hello", "two blocks")
        #expect(try inflate(reader, [0x00]).isEmpty, "an empty message (7.2.3.6)")
        #expect(try inflate(reader, again) == "Hello", "the window outlasts a last block")

        let writer = try #require(DeflateStream())
        #expect(deflate(writer, "Hello") == hello)
        #expect(deflate(writer, "Hello") == again)
        #expect(deflate(writer, "") == [0x00])
        writer.reset()
        #expect(deflate(writer, "Hello") == hello)
    }

    @Test("a message in fragments is the same message, wherever they are cut") func fragments() throws {
        let text = (0..<400).map { "record \($0 * 7919) " }.joined()
        let writer = try #require(DeflateStream())
        let reader = try #require(InflateStream())
        for length in [1, 2, 7, 1000, 100_000] {
            let bytes = deflate(writer, text)
            var found = ""
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(length)
                rest = rest.dropFirst(length)
                found += try inflate(reader, Array(piece), isLast: rest.isEmpty)
            }
            #expect(found == text)
        }
    }

    @Test("messages of every window size, of random and of repeated bytes, come back", arguments: [9, 12, 15])
    func roundTrip(windowBits: Int) throws {
        var generator = SeededGenerator(seed: 7692)
        let writer = try #require(DeflateStream(windowBits: windowBits))
        let reader = try #require(InflateStream())
        for length in [1, 2, 31, 1000, 65_535, 65_536, 300_000] {
            for isRandom in [true, false] {
                let bytes = (0..<length).map {
                    isRandom ? UInt8.random(in: 0...255, using: &generator) : UInt8($0 % 61)
                }
                var compressed = ByteBuffer()
                writer.compress(ByteBuffer(bytes: bytes), to: &compressed)
                #expect(isRandom || length < 1000 || compressed.readableBytes < length / 2)
                let plain = try reader.decompress(compressed, isLast: true, limit: length)
                #expect(Array(buffer: plain) == bytes)
            }
        }
    }

    @Test("a message over its limit is refused before it is there, in one frame or in many") func bomb() throws {
        let writer = try #require(DeflateStream())
        var bomb = ByteBuffer()
        writer.compress(ByteBuffer(repeating: 0x20, count: 64 << 20), to: &bomb)
        #expect(bomb.readableBytes < 400_000)
        for length in [bomb.readableBytes, 1000, 1] {
            let reader = try #require(InflateStream())
            var (rest, total) = (bomb, 0)
            let error = #expect(throws: FrameFault.self) {
                while let piece = rest.readSlice(length: min(length, rest.readableBytes)), piece.readableBytes > 0 {
                    let plain = try reader.decompress(
                        piece, isLast: rest.readableBytes == 0, limit: (1 << 20) - total)
                    total += plain.readableBytes
                }
            }
            #expect(error?.code == .messageTooBig)
            #expect(total <= 1 << 20 && (length > 1000 || bomb.readableBytes - rest.readableBytes < 20_000))
        }
        let reader = try #require(InflateStream())
        #expect(try reader.decompress(bomb, isLast: true, limit: 64 << 20).readableBytes == 64 << 20)
    }

    @Test("what is not DEFLATE is 1007") func damaged() throws {
        let wrong: [[UInt8]] = [
            [0x07], [0xFF, 0xFF, 0xFF], [0x00, 0x05, 0x00, 0x05, 0x00], Array("Hello".utf8),
            // Refers back to where there is nothing.
            [0xF2, 0x00, 0x11, 0x00, 0x00],
        ]
        for bytes in wrong {
            let reader = try #require(InflateStream())
            let error = #expect(throws: FrameFault.self, "\(bytes)") { try inflate(reader, bytes) }
            #expect(error?.code == .invalidPayload)
        }
    }
}
