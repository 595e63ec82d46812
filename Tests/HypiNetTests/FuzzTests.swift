import Foundation
@testable import HypiNet
import HypiWire
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

/// Random and damaged input for everything that reads a peer's bytes: nothing may crash, hang or contradict itself.
@Suite("Fuzzing", .serialized)
struct FuzzTests {
    private let fuzzer = Fuzzer()

    // MARK: Frames

    private struct Decoded: Equatable {
        var outputs: [MessageAssembler.Output] = []
        var fault: FrameFault?
    }

    private func decode(_ pieces: [ByteBuffer], role: Role) -> Decoded {
        var decoder = FrameDecoder(role: role, frameLimit: 1000)
        var assembler = MessageAssembler(messageLimit: 2000, assembles: true)
        var decoded = Decoded()
        do throws(FrameFault) {
            for piece in pieces {
                decoder.append(piece)
                while let frame = try decoder.next() { decoded.outputs.append(try assembler.accept(frame)) }
            }
        } catch {
            decoded.fault = error
        }
        return decoded
    }

    @Test("frames: damaged ones, cut anywhere, amount to the same as in one piece")
    func frames() async throws {
        try await fuzzer.run(0.2) { generator in
            let role: Role = Bool.random(using: &generator) ? .server : .client
            var bytes = ByteBuffer()
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let opcode = [Frame.Opcode.text, .binary, .continuation, .ping, .close].randomElement(using: &generator)
                let payload = ByteBuffer(bytes: fuzzer.randomBytes(60, &generator).map { $0 & 0x7F })
                let frame = Frame(
                    isFinal: Int.random(in: 0..<4, using: &generator) > 0, opcode: opcode ?? .text, payload: payload)
                let mask = role == .server ? UInt32.random(in: .min ... .max, using: &generator) : nil
                FrameEncoder.write(frame, mask: mask, to: &bytes)
            }
            var raw = Array(buffer: bytes)
            fuzzer.damage(&raw, &generator)
            let whole = decode([ByteBuffer(bytes: raw)], role: role)
            fuzzer.check(decode(fuzzer.cut(raw, &generator), role: role) == whole, "frames differ: \(raw)")
        }
    }

    // MARK: Records

    private func split(_ pieces: [ByteBuffer]) -> [RecordSplitter.Output] {
        var splitter = RecordSplitter(limit: 40)
        var outputs: [RecordSplitter.Output] = []
        for piece in pieces {
            splitter.append(piece)
            while let output = splitter.next() { outputs.append(output) }
        }
        if let last = splitter.finish() { outputs.append(last) }
        return outputs
    }

    @Test("records: cut anywhere, the same records come out")
    func records() async throws {
        try await fuzzer.run(0.2) { generator in
            let alphabet = Array("ab\n\r\u{2028}".utf8)
            let bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                Int.random(in: 0..<12, using: &generator) == 0
                    ? UInt8(ascii: "\n") : alphabet.randomElement(using: &generator) ?? 0
            }
            let whole = split([ByteBuffer(bytes: bytes)])
            let pieces = split(fuzzer.cut(bytes, &generator))
            fuzzer.check(whole == pieces, "records differ: \(bytes)")
        }
    }

    // MARK: JSON

    private func randomJSON(_ depth: Int, _ generator: inout SeededGenerator) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .int(Int64.random(in: .min ... .max, using: &generator))
        case 3: return .double(Double(bitPattern: .random(in: .min ... .max, using: &generator)))
        case 4: return .string(randomString(&generator))
        case 5:
            return .array((0..<Int.random(in: 0...4, using: &generator)).map { _ in randomJSON(depth - 1, &generator) })
        default:
            let count = Int.random(in: 0...4, using: &generator)
            return .object(
                JSONObject((0..<count).map { _ in (randomString(&generator), randomJSON(depth - 1, &generator)) }))
        }
    }

    private func randomString(_ generator: inout SeededGenerator) -> String {
        let scalars = (0..<Int.random(in: 0...12, using: &generator)).map { _ -> Unicode.Scalar in
            let limit: UInt32 = [0x20, 0x7F, 0x7F, 0x7F, 0x7FF, 0x10FFFF].randomElement(using: &generator) ?? 0x7F
            return Unicode.Scalar(UInt32.random(in: 0...limit, using: &generator)) ?? "\\"
        }
        return String(String.UnicodeScalarView(scalars))
    }

    @Test("JSON: what is written is read back the same, and the scanner finds the members that the parser finds")
    func json() async throws {
        try await fuzzer.run(0.2) { generator in
            let value = randomJSON(4, &generator)
            let text = value.text
            fuzzer.check((try? JSON(parsing: text)) == value, "not read back: \(text)")
            fuzzer.check((try? JSON(parsing: text))?.text == text, "not written back: \(text)")
            guard let object = value.object else { return }
            let members = scan(Array(text.utf8))
            fuzzer.check(members.isComplete, "scanner stops early: \(text)")
            let expected = object.members.map { [JSON.string($0.key).text, $0.value.text] }
            fuzzer.check(members.pairs == expected, "members differ: \(text)")
        }
    }

    private func scan(_ bytes: [UInt8]) -> (pairs: [[String]], isComplete: Bool) {
        bytes.withUnsafeBytes { raw in
            var scanner = KeyScanner(raw)
            var pairs: [[String]] = []
            while let member = scanner.next() {
                pairs.append([
                    "\"" + String(decoding: raw[member.key], as: UTF8.self) + "\"",
                    String(decoding: raw[member.value], as: UTF8.self),
                ])
            }
            return (pairs, scanner.isComplete)
        }
    }

    @Test("damaged JSON is refused or read, never worse; what the parser takes, the scanner walks through")
    func damagedJSON() async throws {
        try await fuzzer.run(0.275) { generator in
            var bytes = Array(randomJSON(3, &generator).text.utf8)
            fuzzer.damage(&bytes, &generator)
            let members = scan(bytes)
            bytes.withUnsafeBytes { raw in
                var elements = ElementScanner(raw)
                var last = 0
                while let range = elements.next() {
                    fuzzer.check(
                        range.lowerBound >= last && range.upperBound <= raw.count, "ranges of elements: \(bytes)")
                    last = range.upperBound
                }
            }
            let value = try? JSON(parsing: ByteBuffer(bytes: bytes))
            fuzzer.check(bytes.withUnsafeBytes(JSONValidator.isValue) == (value != nil), "validator: \(bytes)")
            let found = bytes.withUnsafeBytes { JSONValidator.object($0, string: "a") }
            fuzzer.check((found != nil) == (value?.object != nil), "object: \(bytes)")
            guard let value else { return }
            fuzzer.check((try? JSON(parsing: value.text)) == value, "not stable: \(bytes)")
            if let object = value.object {
                fuzzer.check(members.isComplete && members.pairs.count == object.members.count, "scanner: \(bytes)")
            }
        }
    }

    // MARK: The HTTP head

    @Test("damaged requests are answered or wait, and never become a WebSocket without the token")
    func requests() async throws {
        let policy = HandshakePolicy(token: Token("right-token"), machine: "box")
        let gate = ConnectionGate(.init(host: "127.0.0.1", port: 0, policy: policy)) { _ in
            .webSocket { _, _ in EchoEndpoint(log: EndpointLog()) }
        }
        try await fuzzer.run(0.02) { generator in
            let isRight = Bool.random(using: &generator)
            let request = EchoServer.request("GET /ws HTTP/1.1", port: 0, token: isRight ? "right-token" : "wrong")
            var bytes = Array(request.utf8) + fuzzer.randomBytes(20, &generator)
            fuzzer.damage(&bytes, &generator)
            let channel = EmbeddedChannel()
            try gate.admit(channel)
            channel.pipeline.fireChannelActive()
            for piece in fuzzer.cut(bytes, &generator) { _ = try? channel.writeInbound(piece) }
            channel.embeddedEventLoop.run()
            var answer = ""
            while let part = try? channel.readOutbound(as: ByteBuffer.self) { answer += String(buffer: part) }
            fuzzer.check(isRight || !answer.hasPrefix("HTTP/1.1 101"), "entered without the token: \(bytes)")
            fuzzer.check(answer.isEmpty || answer.hasPrefix("HTTP/1.1 "), "answered: \(answer)")
            fuzzer.check(!answer.contains("right-token"), "the token came back: \(answer)")
            _ = try? channel.finish(acceptAlreadyClosed: true)
        }
    }
}
