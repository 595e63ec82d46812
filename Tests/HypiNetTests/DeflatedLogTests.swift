import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@testable import HypiNet

/// Reads a log as a viewer does, decompresses what it gets with one context, and keeps the messages.
private final class Reader {
    let windowBits: Int
    let log: DeflatedLog
    private(set) var cursor: UInt64
    private let inflater: InflateStream
    private var decoder = FrameDecoder(role: .client, allowsCompression: true)
    private var isJoined = false
    private(set) var messages: [String] = []
    private(set) var compressedCount = 0
    private(set) var byteCount = 0
    private(set) var hasFallenOff = false

    init(_ log: DeflatedLog, windowBits: Int = 15, cursor: UInt64) throws {
        self.log = log
        self.windowBits = windowBits
        self.cursor = cursor
        inflater = try #require(InflateStream())
    }

    /// One reading.
    func read(_ frames: inout FrameLog, upTo limit: UInt64 = .max) throws -> Bool {
        switch log.read(from: cursor, upTo: limit, isJoined: &isJoined, of: &frames) {
        case .frames(let bytes, let next):
            #expect(next > cursor && next <= limit)
            cursor = next
            try take(bytes)
            return true
        case .upToDate: return false
        case .fellOff:
            hasFallenOff = true
            return false
        }
    }

    /// A message for this one alone, in a stream of its own.
    func get(_ text: String) throws {
        let frame = DeflatedLogTests.frame(text)
        let single = FrameDeflation.single(frame, windowBits: windowBits)
        if single != nil { isJoined = false }
        try take(single ?? frame)
    }

    private func take(_ bytes: ByteBuffer) throws {
        byteCount += bytes.readableBytes
        decoder.append(bytes)
        while let frame = try decoder.next() {
            compressedCount += frame.isCompressed ? 1 : 0
            let payload =
                frame.isCompressed
                ? try inflater.decompress(frame.payload, isLast: true, limit: 1 << 24) : frame.payload
            messages.append(String(buffer: payload))
        }
    }
}

@Suite("DeflatedLog") struct DeflatedLogTests {
    static func frame(_ text: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        FrameEncoder.writeMessage(ByteBuffer(string: text), opcode: .text, to: &bytes)
        return bytes
    }

    private func append(_ text: String, to frames: inout FrameLog) {
        frames.append { $0.writeImmutableBuffer(Self.frame(text)) }
    }

    private func text(_ number: Int, _ length: Int) -> String {
        let words = "{\"type\":\"event\",\"seq\":\(number),\"payload\":\"" + String(number &* 7919, radix: 7)
        return words + String(repeating: "-", count: max(0, length - words.utf8.count)) + "\"}"
    }

    @Test(
        "whatever readers come, stall, fall behind and are told besides, each gets every message once, in order",
        arguments: 0..<9)
    func schedules(round: Int) throws {
        let seed = UInt64.random(in: 0...1 << 40)
        var random = SeededGenerator(seed: seed)
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        var frames = FrameLog(byteLimit: 4 << 20)
        var sent: [String] = []
        let windowBits = [9, 12, 15][round % 3]
        let log = try #require(DeflatedLog(windowBits: windowBits))
        var readers: [(reader: Reader, first: Int, own: Int)] = []
        for step in 0..<700 {
            switch number(0...9) {
            case 0...4:
                for _ in 0..<number(1...8) {
                    // Now and then one that is too short, or too long, to be compressed.
                    let length = number(0...300) == 0 ? Limits.deflatedMessageBytes + 1 : number(20...4000)
                    sent.append(number(0...20) == 0 ? "short" : text(sent.count, length))
                    append(sent[sent.count - 1], to: &frames)
                }
            case 5 where readers.count < 8:
                let back = number(0...4) == 0 ? number(0...20) : 0
                let first = max(Int(frames.oldest) - 1, sent.count - back)
                readers.append((try Reader(log, windowBits: windowBits, cursor: UInt64(first + 1)), first, 0))
            case 6 where !readers.isEmpty && number(0...5) == 0:
                readers.remove(at: number(0...(readers.count - 1)))
            case 7 where !readers.isEmpty && number(0...3) == 0:
                let index = number(0...(readers.count - 1))
                guard readers[index].reader.messages.count == readers[index].own else { continue }
                try readers[index].reader.get(text(step, 2000))
                readers[index].own += 1
            default:
                // The first of them hardly ever reads.
                guard !readers.isEmpty else { continue }
                let index = number(0...19) == 0 ? 0 : number(0...(readers.count - 1))
                guard index > 0 || number(0...30) == 0 else { continue }
                let limit = number(0...3) == 0 ? UInt64(sent.count) : .max
                for _ in 0..<number(1...4) { _ = try readers[index].reader.read(&frames, upTo: limit) }
            }
        }
        var compressedCount = 0
        for (reader, first, own) in readers {
            compressedCount += reader.compressedCount
            while try reader.read(&frames) {}
            let expected = sent[first..<min(sent.count, Int(reader.cursor) - 1)]
            #expect(reader.hasFallenOff || Int(reader.cursor) == sent.count + 1, "seed \(seed)")
            #expect(Array(reader.messages.dropFirst(own)) == Array(expected), "seed \(seed)")
        }
        #expect(compressedCount > 100, "seed \(seed)")
    }

    @Test("the first reader is compressed for at once; one that comes later joins when the stream begins anew")
    func joining() throws {
        var frames = FrameLog(byteLimit: 4 << 20)
        let log = try #require(DeflatedLog(windowBits: 15))
        let first = try Reader(log, cursor: 1)
        for number in 0..<10 { append(text(number, 200), to: &frames) }
        while try first.read(&frames) {}
        #expect(first.compressedCount == 10)

        let second = try Reader(log, cursor: 11)
        for number in 10..<20 { append(text(number, 200), to: &frames) }
        while try second.read(&frames) {}
        while try first.read(&frames) {}
        #expect(first.compressedCount == 20 && second.compressedCount == 0 && second.messages.count == 10)
        for number in 20..<1000 {
            append(text(number, 200), to: &frames)
            while try second.read(&frames) {}
            while try first.read(&frames) {}
        }
        #expect(first.messages == (0..<1000).map { text($0, 200) })
        #expect(second.messages == (10..<1000).map { text($0, 200) })
        #expect(first.compressedCount == 1000)
        // Behind the first 64 KiB, of which a frame takes 205 or so.
        #expect(second.compressedCount > 600 && second.compressedCount < 700)

        // The stream has begun anew less than 64 KiB ago for the one before.
        func arrive() throws -> Reader {
            let reader = try Reader(log, cursor: frames.next)
            append(text(0, 200), to: &frames)
            while try reader.read(&frames) {}
            return reader
        }
        while try arrive().compressedCount == 0 {}
        #expect(try arrive().compressedCount == 0)
        // Who lags a little when it does so is compressed for all the same.
        while try arrive().compressedCount == 0 {}
        let count = first.messages.count
        while try first.read(&frames) {}
        #expect(first.compressedCount == first.messages.count && first.messages.count > count + 300)
    }

    @Test("a reader whose next frames are forgotten before anybody has read them has fallen off") func forgotten()
        throws
    {
        var frames = FrameLog(byteLimit: 256 << 10)
        let log = try #require(DeflatedLog(windowBits: 15))
        let reader = try Reader(log, cursor: 1)
        append(text(0, 200), to: &frames)
        while try reader.read(&frames) {}
        for number in 1..<5000 { append(text(number, 200), to: &frames) }
        #expect(frames.oldest > reader.cursor)
        #expect(try !reader.read(&frames) && reader.hasFallenOff)
    }

    @Test("one that stalls hinders nobody from joining, and is not compressed for") func stalled() throws {
        var frames = FrameLog(byteLimit: 64 << 20)
        let log = try #require(DeflatedLog(windowBits: 15))
        let stalled = try Reader(log, cursor: 1)
        append(text(0, 200), to: &frames)
        _ = try stalled.read(&frames)
        for number in 1..<50_000 { append(text(number, 200), to: &frames) }
        let second = try Reader(log, cursor: frames.next)
        for number in 50_000..<50_100 { append(text(number, 200), to: &frames) }
        while try second.read(&frames) {}
        #expect(second.compressedCount == 100)
        #expect(log.beginningCount == 1, "what lay before is gone")
        while try stalled.read(&frames) {}
        #expect(stalled.messages.count == 50_100 && stalled.compressedCount == 1 + 100)
        #expect(second.messages == Array(stalled.messages.suffix(100)))
    }

    @Test("a frame that a later one has superseded is left out, and the rest goes on") func superseded() throws {
        var frames = FrameLog(byteLimit: 300 << 10)
        let log = try #require(DeflatedLog(windowBits: 15))
        let reader = try Reader(log, cursor: 1)
        append(text(0, 200), to: &frames)
        _ = try reader.read(&frames)
        for number in 1..<400 {
            append(text(number, 2000), to: &frames)
            if number % 10 != 0 { frames.supersede(UInt64(number + 1)) }
        }
        while try reader.read(&frames) {}
        #expect(!reader.hasFallenOff && reader.messages.count < 250)
        let kept = (0..<400).filter { $0 % 10 == 0 }.map { $0 == 0 ? text($0, 200) : text($0, 2000) }
        #expect(Set(reader.messages).isSuperset(of: kept))
        #expect(reader.compressedCount == reader.messages.count)
    }

    @Test("what it keeps is bounded; a reader behind that reads on uncompressed, and then joins again") func bounded()
        throws
    {
        var random = SeededGenerator(seed: 5)
        var frames = FrameLog(byteLimit: 64 << 20)
        let log = try #require(DeflatedLog(windowBits: 15))
        let (slow, fast) = (try Reader(log, cursor: 1), try Reader(log, cursor: 1))
        var sent: [String] = []
        func add() {
            sent.append((0..<40).map { _ in String(UInt64.random(in: 0...UInt64.max, using: &random)) }.joined())
            append(sent[sent.count - 1], to: &frames)
        }
        add()
        _ = try slow.read(&frames)
        _ = try fast.read(&frames)
        for _ in 0..<10_000 {
            add()
            while try fast.read(&frames) {}
        }
        #expect(fast.compressedCount == 10_001)
        while try slow.read(&frames) {}
        #expect(slow.messages == sent && fast.messages == sent)
        #expect(slow.compressedCount < 5000)
        for _ in 0..<1000 {
            add()
            while try slow.read(&frames) {}
            while try fast.read(&frames) {}
        }
        #expect(slow.messages == sent && slow.compressedCount > 800)
        #expect(log.beginningCount == 1, "what is not kept is not remembered")
    }
}
