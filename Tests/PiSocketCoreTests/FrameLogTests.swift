import HypiNet
import NIOCore
import Testing

@Suite("FrameLog") struct FrameLogTests {
    private func frame(_ number: Int, _ length: Int = 10) -> String {
        let text = "\(number):"
        return text + String(repeating: "x", count: length - text.count)
    }

    private func read(_ log: inout FrameLog, from start: UInt64) -> (text: String, next: UInt64)? {
        var (text, cursor) = ("", start)
        while true {
            switch log.read(from: cursor) {
            case .frames(let bytes, let next):
                text += String(buffer: bytes)
                cursor = next
            case .upToDate: return (text, cursor)
            case .fellOff: return nil
            }
        }
    }

    @Test("a cursor reads every frame once, however reads and writes alternate", arguments: [1, 3, 50])
    func alternate(step: Int) {
        var log = FrameLog(byteLimit: 1 << 20)
        var (text, cursor) = ("", log.next)
        for number in 1...500 {
            log.append { $0.writeString(frame(number)) }
            guard number % step == 0, let (more, next) = read(&log, from: cursor) else { continue }
            text += more
            cursor = next
        }
        text += read(&log, from: cursor)?.text ?? ""
        #expect(text == (1...500).map { frame($0) }.joined())
    }

    @Test("a read stops in front of the frame it is told") func limit() {
        var log = FrameLog(byteLimit: 1 << 20)
        for number in 1...9 { log.append { $0.writeString(frame(number)) } }
        guard case .frames(let bytes, let next) = log.read(from: 3, upTo: 6) else {
            Issue.record("no frames")
            return
        }
        #expect(String(buffer: bytes) == (3...5).map { frame($0) }.joined())
        #expect(next == 6)
        guard case .upToDate = log.read(from: 6, upTo: 6) else {
            Issue.record("more than was asked for")
            return
        }
    }

    @Test("beyond its bound it forgets the oldest, and a cursor there has fallen off") func fallOff() {
        var log = FrameLog(byteLimit: 256 << 10)
        for number in 1...20_000 { log.append { $0.writeString(frame(number, 100)) } }
        #expect(log.oldest > 1)
        guard case .fellOff = log.read(from: 1) else {
            Issue.record("frame 1 is still there")
            return
        }
        let oldest = Int(log.oldest)
        #expect(read(&log, from: log.oldest)?.text == (oldest...20_000).map { frame($0, 100) }.joined())
        // The chunks' storage is larger than what is in it: the log counts what it takes.
        #expect((20_000 - oldest) * 100 < 256 << 10)
        #expect((20_000 - oldest) * 100 > 64 << 10)
    }

    @Test("small frames that are read at once take no more memory than they are counted for") func smallFrames() {
        var log = FrameLog(byteLimit: 1 << 20)
        var cursor = log.next
        for number in 1...100_000 {
            log.append { $0.writeString(frame(number, 40)) }
            if case .frames(_, let next) = log.read(from: cursor) { cursor = next }
        }
        // A chunk for each frame would leave room for some 2,000 of them.
        #expect(log.next - log.oldest > 10_000)
    }

    @Test("of the bound next to nothing is lost to storage that frames do not fill") func fill() {
        var log = FrameLog(byteLimit: 1 << 20)
        for number in 1...500 { log.append(byteCount: 10_000) { $0.writeString(frame(number, 10_000)) } }
        #expect((log.next - log.oldest) * 10_000 > 800_000)
    }

    @Test("what is appended within a step is there until its end, superseded or not, whatever the bound") func step() {
        var log = FrameLog(byteLimit: 256 << 10)
        func append(_ numbers: ClosedRange<Int>) {
            for number in numbers {
                if log.next > 1 { log.supersede(log.next - 1) }
                log.append { $0.writeString(frame(number, 1000)) }
            }
        }
        append(1...500)
        let cursor = log.next
        log.beginStep()
        append(501...1500)
        #expect(read(&log, from: cursor)?.text == (501...1500).map { frame($0, 1000) }.joined())
        log.endStep()
        #expect((read(&log, from: log.oldest)?.text.count ?? 0) < 256 << 10)
        #expect(read(&log, from: log.next - 1)?.text == frame(1500, 1000))
    }

    @Test("superseded frames go first; numbers and what is left stay") func superseded() throws {
        var log = FrameLog(byteLimit: 512 << 10)
        // Each frame with an even number is superseded by the next even one.
        var last: UInt64?
        for number in 1...4000 {
            if number % 2 == 0 {
                if let last { log.supersede(last) }
                last = log.next
            }
            log.append { $0.writeString(frame(number, number % 2 == 0 ? 1000 : 20)) }
        }
        #expect(log.oldest == 1)
        let text = try #require(read(&log, from: 1)).text
        let rest = text.split(separator: "x").filter { !$0.isEmpty }.compactMap { Int($0.dropLast()) }
        #expect(rest.filter { $0 % 2 == 1 } == Array(stride(from: 1, to: 4000, by: 2)))
        #expect(rest.last == 4000)
        #expect(log.next == 4001)
    }

    @Test("one frame larger than the bound is kept until the next") func large() {
        var log = FrameLog(byteLimit: 1 << 10)
        log.append { $0.writeString(frame(1, 100_000)) }
        #expect(read(&log, from: 1)?.text.count == 100_000)
        log.append { $0.writeString(frame(2)) }
        #expect(read(&log, from: 2)?.text == frame(2))
        #expect(read(&log, from: 1) == nil)
    }
}
