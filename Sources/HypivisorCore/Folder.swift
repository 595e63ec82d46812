import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An open folder that was reached without following a single symbolic link.
///
/// A path that was checked may lead elsewhere a moment later. A descriptor may not: what is done relative to it happens
/// in the folder that was checked.
struct Folder: ~Copyable {
    /// The descriptor; closed with the value.
    let descriptor: CInt

    /// Opens a resolved path, component by component.
    ///
    /// - Throws: ``SystemFault``; `ELOOP` or `ENOTDIR` if a component has become a link since it was resolved.
    init(resolved path: String) throws(SystemFault) {
        var folder = try Folder(opening: "/", in: AT_FDCWD)
        for name in Roots.components(path) {
            folder = try Folder(opening: String(name), in: folder.descriptor)
        }
        self = folder
    }

    private init(opening name: String, in parent: CInt) throws(SystemFault) {
        descriptor = openat(parent, name, hypi_passing_folder_flags())
        guard descriptor >= 0 else { throw SystemFault(errno) }
    }

    deinit {
        close(descriptor)
    }

    /// Makes a folder below this one, with those between; one that is there already is as good.
    ///
    /// - Parameter names: The components, each a plain name.
    /// - Throws: ``SystemFault``; `ELOOP` or `ENOTDIR` for a link or a file where a folder should be. Folders that were
    ///   made before the fault stay.
    func makeFolders(_ names: [Substring]) throws(SystemFault) {
        guard let name = names.first.map(String.init) else { return }
        guard mkdirat(descriptor, name, 0o777) == 0 || errno == EEXIST else { throw SystemFault(errno) }
        let next = try Folder(opening: name, in: descriptor)
        try next.makeFolders(Array(names.dropFirst()))
    }
}
