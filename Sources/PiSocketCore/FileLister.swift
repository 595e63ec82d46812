import CPlatform
import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Lists files for completion, below the agent's working directory and nowhere else.
struct FileLister: Sendable {
    /// One entry.
    struct Entry: Equatable, Sendable {
        /// Relative to the working directory.
        var path: String
        var isDirectory: Bool
    }

    /// Entries beyond this many are left out: a person narrows the prefix.
    static let entryLimit = 500

    /// The working directory, absolute.
    let root: String

    /// The entries whose relative path begins with `prefix`, in one folder, sorted; hidden ones only if asked for.
    ///
    /// Folders are resolved before they are read: a link that leads out of the working directory lists nothing.
    func list(prefix: String) -> [Entry] {
        let slash = prefix.lastIndex(of: "/")
        let folder = slash.map { String(prefix[..<$0]) } ?? ""
        let stem = slash.map { String(prefix[prefix.index(after: $0)...]) } ?? prefix
        guard !prefix.hasPrefix("/"), let resolved = resolveInside(folder) else { return [] }
        // Opened without following a link, should the folder have become one since.
        let descriptor = hypi_open_folder(resolved)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        guard let stream = hypi_list_folder(descriptor) else { return [] }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let entry = readdir(stream) {
            // JSON has no name that is not UTF-8.
            guard let name = String(validatingCString: hypi_entry_name(entry)) else { continue }
            guard name != ".", name != "..", name.hasPrefix(stem), stem.hasPrefix(".") || !name.hasPrefix(".") else {
                continue
            }
            let path = folder.isEmpty ? name : folder + "/" + name
            entries.append(Entry(path: path, isDirectory: isDirectory(name, in: descriptor)))
        }
        return Array(entries.sorted { $0.path < $1.path }.prefix(Self.entryLimit))
    }

    private func resolveInside(_ folder: String) -> String? {
        guard let home = resolve(root), let target = resolve(root + "/" + folder) else { return nil }
        let rootParts = home.split(separator: "/")
        return target.split(separator: "/").starts(with: rootParts) ? target : nil
    }

    private func resolve(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        // Repaired, a name that is not UTF-8 would be that of another folder.
        return String(validatingCString: resolved)
    }

    private func isDirectory(_ name: String, in folder: CInt) -> Bool {
        var status = stat()
        return fstatat(folder, name, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
