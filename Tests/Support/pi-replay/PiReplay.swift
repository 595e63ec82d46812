import HypiWire
import NIOCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Takes the place of pi and plays back what a real one wrote.
///
/// `pi-replay RECORD` answers the questions that make a bridge ready, writes each `out` line of the record verbatim when
/// the first prompt comes, then `{"type":"replay_end"}`, and stays until its stdin ends. With `HYPI_REPLAY_BYTES` it
/// writes the record again and again until so many bytes are out. What else stands on its command line is ignored, as it
/// is meant for pi.
@main
struct PiReplay {
    private let lines: [[UInt8]]
    private var hasPlayed = false

    static func main() {
        guard CommandLine.arguments.count > 1, var replay = PiReplay(CommandLine.arguments[1]) else {
            write(Array("pi-replay: no record\n".utf8), to: STDERR_FILENO)
            exit(66)
        }
        var splitter = RecordSplitter(limit: Limits.recordBytes)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = read(STDIN_FILENO, &buffer, buffer.count), count > 0 {
            splitter.append(ByteBuffer(bytes: buffer[..<count]))
            while case .record(let line)? = splitter.next() { replay.receive(line) }
        }
    }

    private init?(_ path: String) {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
        var lines: [[UInt8]] = []
        for entry in text.split(separator: UInt8(ascii: "\n")) {
            guard let json = try? JSON(parsing: ByteBuffer(bytes: entry)), let line = json["line"]?.string else {
                return nil
            }
            if json["dir"]?.string == "out" { lines.append(Array(line.utf8)) }
        }
        self.lines = lines
    }

    private mutating func receive(_ line: ByteBuffer) {
        guard let command = try? JSON(parsing: line), let type = command["type"]?.string else { return }
        switch type {
        case "get_state": answer(command, ["isStreaming": false, "isCompacting": false, "pendingMessageCount": 0])
        case "get_messages": answer(command, ["messages": []])
        case "get_commands": answer(command, ["commands": []])
        case "get_session_stats": answer(command, ["cost": 0])
        case "prompt":
            answer(command, nil)
            play()
        default: answer(command, nil)
        }
    }

    private func answer(_ command: JSON, _ data: JSON?) {
        var response: JSONObject = ["type": "response", "success": true]
        response["id"] = command["id"]
        response["command"] = command["type"]
        response["data"] = data
        Self.write(JSON.object(response).record, to: STDOUT_FILENO)
    }

    private mutating func play() {
        guard !hasPlayed else { return }
        hasPlayed = true
        let whole = Array(lines.map { $0 + [UInt8(ascii: "\n")] }.joined())
        var left = getenv("HYPI_REPLAY_BYTES").flatMap { Int(String(cString: $0)) } ?? whole.count
        while left > 0, !whole.isEmpty {
            Self.write(whole, to: STDOUT_FILENO)
            left -= whole.count
        }
        Self.write(Array("{\"type\":\"replay_end\"}\n".utf8), to: STDOUT_FILENO)
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { buffer -> Int in
                #if canImport(Glibc)
                    Glibc.write(descriptor, buffer.baseAddress, buffer.count)
                #else
                    Darwin.write(descriptor, buffer.baseAddress, buffer.count)
                #endif
            }
            guard count > 0 else { exit(1) }
            offset += count
        }
    }
}
