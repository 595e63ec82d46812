import HypiWire
import Testing

@testable import HypiTool

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("LogWriter")
struct LogWriterTests {
    @Test("a reader that pauses holds nobody up: what is too much is lost and counted, the rest comes when it reads")
    func stalled() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        let writer = LogWriter(file: nil, descriptor: ends[1]) { Array("lost \($0)\n".utf8) }
        let line = [UInt8](repeating: 0x78, count: 1023) + [0x0A]
        let count = 4 * Limits.logQueueBytes / line.count
        for _ in 0..<count { writer.write(line) }
        // Nobody reads: a flush gives up at its deadline.
        writer.flush(milliseconds: 10)
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !text.contains(0x6C), case let got = read(ends[0], &buffer, buffer.count), got > 0 {
            text += buffer[..<got]
        }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        let lost = try #require(lines.last { $0.hasPrefix("lost ") }?.split(separator: " ").last.flatMap { Int($0) })
        #expect(lost > 0 && lines.count - 1 + lost == count)
        writer.flush(milliseconds: 10_000)
        close(ends[0])
        close(ends[1])
    }
}
