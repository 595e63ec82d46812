import HypiWire

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The file of a session: created when there is an answer to keep, then appended to, one write an entry.
struct SessionFile {
    /// What a file held when it was read.
    struct Content {
        var records: [JSON] = []
        /// Whether the last line has its LF; if not, a crash cut it and the next entry starts a line of its own.
        var endsWithNewline = true
    }

    let path: String

    private enum State {
        /// Nothing to keep yet.
        case waiting
        case open(tornLine: Bool)
        /// A write failed; the conversation goes on unsaved and the user was told.
        case failed
    }

    private var state: State

    /// A file that does not exist yet, or is to be written anew.
    init(path: String) {
        self.path = path
        state = .waiting
    }

    /// A file that was read and goes on.
    init(path: String, continuing content: Content, holdsHeader: Bool) {
        self.path = path
        state = holdsHeader ? .open(tornLine: !content.endsWithNewline) : .waiting
    }

    /// Writes an entry; the first one to be written brings everything that waited before it.
    mutating func append(_ entry: JSON, after earlier: @autoclosure () -> [JSON], opens: Bool) {
        do {
            switch state {
            case .failed: return
            case .waiting:
                guard opens else { return }
                try createDirectories()
                try write((earlier() + [entry]).flatMap(\.record), flags: O_CREAT | O_TRUNC)
            case .open(let tornLine):
                try write((tornLine ? [UInt8(ascii: "\n")] : []) + entry.record, flags: O_CREAT)
            }
            state = .open(tornLine: false)
        } catch {
            state = .failed
            System.diagnose("cannot write session \(path): \(error) (the conversation goes on unsaved)")
        }
    }

    private func write(_ bytes: [UInt8], flags: Int32) throws(System.Failure) {
        // Opened for each entry: a session switched away from holds nothing open, and entries are rare.
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0o600)
        guard descriptor >= 0 else { throw System.Failure() }
        defer { close(descriptor) }
        try System.writeAll(bytes, to: descriptor)
    }

    private func createDirectories() throws(System.Failure) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        for count in parts.indices where count > 0 || !parts[count].isEmpty {
            let directory = parts[...count].joined(separator: "/")
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else { throw System.Failure() }
        }
    }

    /// Reads a file's records; `nil` if there is no such file.
    static func read(_ path: String) throws(System.Failure) -> Content? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw System.Failure() }
            return nil
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while case let piece = try System.readSome(from: descriptor, limit: 1 << 20), !piece.isEmpty { bytes += piece }
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        let records = lines.compactMap { line in try? JSON(parsing: String(decoding: line, as: UTF8.self)) }
        return Content(records: records, endsWithNewline: bytes.last.map { $0 == UInt8(ascii: "\n") } ?? true)
    }
}
