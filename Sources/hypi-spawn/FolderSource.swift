import HypiTool
import HypiWire
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A folder, absolute, or why an input record is none.
typealias FolderInput = Result<String, Failure>

/// The folders to start agents in, from the command line or, where it says `-`, from standard input as they come.
///
/// Input is what other tools print: objects with `path` or `cwd`, or plain lines, or paths separated by NUL. It is read
/// no faster than agents are started.
struct FolderSource: AsyncSequence, Sendable {
    typealias Element = FolderInput

    private let words: [String]
    private let isNulSeparated: Bool
    private let folder: WorkingFolder

    init(_ words: [String], isNulSeparated: Bool, from folder: WorkingFolder) {
        self.words = words
        self.isNulSeparated = isNulSeparated
        self.folder = folder
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(
            words: words[...], input: InputRecords(separator: isNulSeparated ? 0 : UInt8(ascii: "\n")), folder: folder)
    }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate var words: ArraySlice<String>
        fileprivate var input: InputRecords
        fileprivate let folder: WorkingFolder

        mutating func next() async throws -> Element? {
            while let word = words.first {
                guard word == "-" else {
                    words.removeFirst()
                    return FolderSource.absolute(word, from: folder)
                }
                if var record = try await input.next() {
                    if input.separator != 0 { record = FolderSource.trimmed(record) }
                    guard !record.isEmpty else { continue }
                    return FolderSource.path(in: record, isPlain: input.separator == 0, from: folder)
                }
                words.removeFirst()
            }
            return nil
        }
    }

    /// A line as people and editors write it: without a byte order mark, and without blanks around it.
    fileprivate static func trimmed(_ line: String) -> String {
        var text = line[...]
        while let first = text.unicodeScalars.first, first == "\u{FEFF}" || first.properties.isWhitespace {
            text.unicodeScalars.removeFirst()
        }
        while let last = text.unicodeScalars.last, last.properties.isWhitespace { text.unicodeScalars.removeLast() }
        return String(text)
    }

    /// The folder that an input record names.
    fileprivate static func path(in record: String, isPlain: Bool, from folder: WorkingFolder) -> FolderInput {
        guard !isPlain, record.hasPrefix("{") else { return absolute(record, from: folder) }
        let excerpt = record.prefix(80)
        guard let json = try? JSON(parsing: record) else {
            return .failure(.init(.badInput, "a record is not JSON: \(excerpt)"))
        }
        guard let path = json["path"]?.string ?? json["cwd"]?.string, !path.isEmpty else {
            return .failure(.init(.badInput, "a record has neither 'path' nor 'cwd': \(excerpt)"))
        }
        return absolute(path, from: folder)
    }

    fileprivate static func absolute(_ text: String, from folder: WorkingFolder) -> FolderInput {
        Result { () throws(Failure) in try folder.absolute(text) }
    }
}

/// Standard input, record by record.
struct InputRecords: Sendable {
    /// The longest path that is taken; a longer record is an error, not a part of a path.
    private static let recordLimit = 1 << 20

    let separator: UInt8
    private var pending: [UInt8] = []
    private var hasEnded = false

    init(separator: UInt8) {
        self.separator = separator
    }

    /// The next record without its separator; `nil` at the end.
    ///
    /// - Throws: `Failure` with status 65 or 74.
    mutating func next() async throws -> String? {
        while true {
            if let end = pending.firstIndex(of: separator) {
                defer { pending.removeFirst(end + 1) }
                return try Self.text(pending[..<end])
            }
            guard !hasEnded else {
                defer { pending = [] }
                return pending.isEmpty ? nil : try Self.text(pending[...])
            }
            guard pending.count <= Self.recordLimit else {
                throw Failure(.badInput, "a record on standard input is longer than \(Self.recordLimit) bytes")
            }
            // Reading blocks, so it is done on a thread that nobody else needs.
            let bytes = try await NIOThreadPool.singleton.runIfActive { try Self.read() }
            hasEnded = bytes.isEmpty
            pending += bytes
        }
    }

    /// A name that is not UTF-8 is refused: repaired, it would be that of another folder.
    private static func text(_ bytes: ArraySlice<UInt8>) throws(Failure) -> String {
        let line = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
        guard let text = String(validating: line, as: UTF8.self) else {
            let shown = String(decoding: line.prefix(80), as: UTF8.self)
            throw Failure(.badInput, "a record on standard input is not UTF-8: \(shown)")
        }
        return text
    }

    private static func read() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            #if canImport(Glibc)
                let count = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
            #else
                let count = Darwin.read(STDIN_FILENO, &buffer, buffer.count)
            #endif
            if count >= 0 { return Array(buffer[..<count]) }
            if errno == EAGAIN {
                // Somebody who shares the descriptor made it non-blocking.
                var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                poll(&request, 1, -1)
                continue
            }
            guard errno == EINTR else {
                throw Failure(
                    .inputOutput, "cannot read standard input: \(String(cString: strerror(errno)).lowercased())")
            }
        }
    }
}
