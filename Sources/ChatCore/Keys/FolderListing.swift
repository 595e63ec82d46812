import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Names in a folder of this machine, for completion.
enum FolderListing {
    /// Names beyond this many are left out.
    private static let limit = 2000

    /// The names, sorted, folders with a slash; none if the folder cannot be read.
    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(stream) {
            let name = String(cString: hypi_entry_name(entry))
            guard name != ".", name != ".." else { continue }
            var status = stat()
            let isFolder = stat(folder + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            names.append(isFolder ? name + "/" : name)
        }
        return names.sorted()
    }
}
