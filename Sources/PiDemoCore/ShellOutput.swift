import HypiWire

/// The output of a command as pi shows it: the last 2,000 lines or 50 KB, the whole of it in a file where it is longer.
struct ShellOutput {
    static let linesLimit = 2000
    static let bytesLimit = 50 * 1024

    /// The end of the output; at most twice ``bytesLimit`` so that it is seldom cut.
    private var tail: [UInt8] = []
    private var byteCount = 0
    private var lineCount = 0
    /// Where the whole output is, once it is too long to show.
    private(set) var fullOutputPath: String?
    private var spill: [UInt8] = []

    mutating func append(_ bytes: [UInt8]) {
        byteCount += bytes.count
        lineCount += bytes.count { $0 == UInt8(ascii: "\n") }
        keepWhole(bytes)
        tail += bytes
        if tail.count > 2 * Self.bytesLimit { tail.removeFirst(tail.count - Self.bytesLimit) }
    }

    var isTruncated: Bool {
        byteCount > Self.bytesLimit || lineCount > Self.linesLimit
    }

    /// What is shown; invalid UTF-8 becomes U+FFFD.
    var text: String {
        guard isTruncated else { return String(decoding: tail, as: UTF8.self) }
        var lines = tail.suffix(Self.bytesLimit).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // The first of them was cut, unless there is no other.
        if byteCount > Self.bytesLimit, lines.count > 2 { lines.removeFirst() }
        return String(
            decoding: Array(lines.suffix(Self.linesLimit).joined(separator: [UInt8(ascii: "\n")])), as: UTF8.self)
    }

    private mutating func keepWhole(_ bytes: [UInt8]) {
        if let fullOutputPath {
            System.append(bytes, toFile: fullOutputPath)
        } else {
            spill += bytes
            guard isTruncated else { return }
            let path = "/tmp/pi-demo-bash-\(Identifier.uuid()).log"
            System.append(spill, toFile: path)
            fullOutputPath = path
            spill = []
        }
    }
}

/// Takes terminal control sequences, NUL and CR out of a text that comes in pieces, as pi does for its `bash` command.
struct PlainText {
    private enum State { case text, escape, sequence }

    private var state = State.text
    /// The start of a character whose rest has not come yet.
    private var pending: [UInt8] = []

    /// The plain text of the next piece.
    mutating func next(_ bytes: [UInt8]) -> [UInt8] {
        var kept = pending
        for byte in bytes {
            switch (state, byte) {
            case (.text, 0x1B): state = .escape
            case (.text, 0), (.text, 0x0D): break
            case (.text, _): kept.append(byte)
            case (.escape, UInt8(ascii: "[")): state = .sequence
            case (.escape, _): state = .text
            case (.sequence, 0x40...0x7E): state = .text
            case (.sequence, _): break
            }
        }
        let cut = Self.startOfCutCharacter(kept)
        pending = Array(kept[cut...])
        return Array(kept[..<cut])
    }

    /// Where a character begins whose last bytes are missing; the end if there is none.
    private static func startOfCutCharacter(_ bytes: [UInt8]) -> Int {
        for back in 1...3 where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > back ? bytes.count - back : bytes.count
        }
        return bytes.count
    }
}
