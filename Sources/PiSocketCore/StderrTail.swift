import HypiWire
import Logging
import NIOCore

/// pi's stderr: each line to the log, the last ``Limits/stderrTailBytes`` kept for messages.
final class StderrTail {
    private let logger: Logger
    private var splitter = RecordSplitter(limit: 4096)
    private var lines: [String] = []
    private var byteCount = 0

    init(logger: Logger) {
        self.logger = logger
    }

    func append(_ bytes: ByteBuffer) {
        splitter.append(bytes)
        while let output = splitter.next() { take(output) }
    }

    /// What is kept, lines joined by LF.
    var text: String {
        var copy = splitter
        var all = lines
        if case .record(let rest)? = copy.finish() { all.append(String(buffer: rest)) }
        return all.joined(separator: "\n")
    }

    private func take(_ output: RecordSplitter.Output) {
        guard case .record(let line) = output else { return }
        let text = String(buffer: line).withoutControlCharacters
        guard !text.isEmpty else { return }
        logger.info("pi: \(text)")
        lines.append(text)
        byteCount += text.utf8.count + 1
        while byteCount > Limits.stderrTailBytes, !lines.isEmpty { byteCount -= lines.removeFirst().utf8.count + 1 }
    }
}
