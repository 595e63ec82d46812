import CPlatform
import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lists pi's session files beside the one that is in use, for a person who wants to go to another.
struct SessionLister: Sendable {
    /// Sessions that are listed: the newest.
    static let limit = 50
    /// Bytes of a session's beginning in which its name and its first prompt are looked for.
    private static let headBytes = 256 << 10

    /// The session's file that is in use.
    let current: String

    /// The sessions, newest first, each with `path`, `age` in seconds, `current`, and `name` and `first` where known.
    func list() -> [JSON] {
        let folder = current.lastIndex(of: "/").map { String(current[..<$0]) } ?? "."
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var files: [(path: String, modified: Int)] = []
        while let entry = readdir(stream) {
            let name = String(cString: hypi_entry_name(entry))
            guard name.hasSuffix(".jsonl") else { continue }
            var status = stat()
            let path = folder + "/" + name
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
            #if canImport(Darwin)
                files.append((path, status.st_mtimespec.tv_sec))
            #else
                files.append((path, status.st_mtim.tv_sec))
            #endif
        }
        let now = time(nil)
        return files.sorted { ($1.modified, $1.path) < ($0.modified, $0.path) }.prefix(Self.limit).map { file in
            var session = Self.summary(of: file.path)
            session["path"] = .string(file.path)
            session["age"] = .int(max(0, now - file.modified))
            session["current"] = .bool(file.path == current)
            return .object(session)
        }
    }

    private static func summary(of path: String) -> JSONObject {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return [:] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: headBytes)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return [:] }
        var summary: JSONObject = [:]
        for line in bytes[..<count].split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSON(parsing: String(decoding: line, as: UTF8.self)) else { continue }
            if record["type"]?.string == "session_info", let name = record["name"]?.string {
                summary["name"] = .string(name)
            } else if summary["first"] == nil, record["message"]?["role"]?.string == "user" {
                summary["first"] = firstPrompt(record["message"]?["content"] ?? .null).map(JSON.string)
            }
        }
        return summary
    }

    private static func firstPrompt(_ content: JSON) -> String? {
        let text = content.string ?? content.array?.lazy.compactMap { $0["text"]?.string }.first
        return text.map { String($0.unicodeScalars.prefix(200)) }
    }
}
