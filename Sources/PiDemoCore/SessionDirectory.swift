import CPlatform
import HypiWire

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Where the sessions of a working directory are kept, and which is the one that somebody means.
struct SessionDirectory {
    let path: String
    let cwd: String

    /// The directory that was asked for, or the one pi would use below its agent directory.
    init(explicit: String?, agentDirectory: String, cwd: String) {
        self.cwd = cwd
        let slug = String(cwd.drop { $0 == "/" }.map { "/\\:".contains($0) ? "-" : $0 })
        path = explicit ?? "\(agentDirectory)/sessions/--\(slug)--"
    }

    /// The path of a new session's file.
    func newPath(id: String, created: Timestamp) -> String {
        let stamp = String(created.text.map { ":.".contains($0) ? "-" : $0 })
        return "\(path)/\(stamp)_\(id).jsonl"
    }

    /// The file written last of those whose sessions belong to the working directory; `nil` if there is none.
    func latest() -> String? {
        files().filter { belongsHere($0.path) }.max { $0.modified < $1.modified }?.path
    }

    /// The file whose session id starts so; `nil` if there is none.
    func file(withIDPrefix prefix: String) -> String? {
        files().first { file in
            let name = file.path.split(separator: "/").last ?? ""
            let id = name.drop { $0 != "_" }.dropFirst()
            return id.hasPrefix(prefix)
        }?.path
    }

    private func belongsHere(_ file: String) -> Bool {
        let header = (try? SessionFile.read(file))?.records.first
        return header?["cwd"]?.string == cwd
    }

    private func files() -> [(path: String, modified: Double)] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var files: [(path: String, modified: Double)] = []
        while let entry = readdir(directory) {
            let name = String(cString: hypi_entry_name(entry))
            guard name.hasSuffix(".jsonl") else { continue }
            var status = stat()
            guard stat("\(path)/\(name)", &status) == 0 else { continue }
            #if canImport(Darwin)
                let time = status.st_mtimespec
            #else
                let time = status.st_mtim
            #endif
            files.append(("\(path)/\(name)", Double(time.tv_sec) + Double(time.tv_nsec) / 1e9))
        }
        return files
    }
}
