import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lines typed in one project folder, one JSON string a line, for its owner alone (0600).
///
/// Appended to in one write each, so that several chats in one folder lose nothing; cut to the newest lines when it is
/// read. It is a convenience: where it cannot be read or written the chat goes on without it.
struct InputHistory {
    /// Lines that are kept; older ones go when the file is read next.
    static let limit = 1000

    private let path: String?

    /// The history in a file; `nil` keeps nothing.
    init(path: String?) {
        self.path = path
    }

    /// The file's name for a project folder.
    static func fileName(folder: String, machine: String) -> String {
        // FNV-1a: stable between runs, which Swift's own hashes are not.
        let hash = "\(machine):\(folder)".utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        return "history-" + String(hash, radix: 16)
    }

    /// The file of an agent's project folder.
    static func path(in folder: String, name: String, node: Node?) -> String {
        folder + "/" + fileName(folder: node?.cwd ?? name, machine: node?.machine ?? "")
    }

    /// The lines, oldest first.
    func load() -> [String] {
        guard let path, let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        var lines: [String] = []
        var buffer: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(buffer) }
        while case let count = getline(&buffer, &capacity, file), count > 0, let buffer {
            if let line = (try? JSON(parsing: UnsafeRawBufferPointer(start: buffer, count: count)))?.string {
                lines.append(line)
            }
        }
        let newest = Array(lines.suffix(Self.limit))
        if lines.count > 2 * Self.limit { rewrite(newest, path) }
        return newest
    }

    /// Adds a line.
    func append(_ line: String) {
        guard let path else { return }
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let record = JSON.string(line).record
        _ = write(descriptor, record, record.count)
    }

    private func rewrite(_ lines: [String], _ path: String) {
        let temporary = "\(path).\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        let bytes = lines.flatMap { JSON.string($0).record }
        let isWhole = write(descriptor, bytes, bytes.count) == bytes.count
        close(descriptor)
        if !isWhole || rename(temporary, path) != 0 { unlink(temporary) }
    }
}
