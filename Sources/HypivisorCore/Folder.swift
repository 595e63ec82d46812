import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// An open folder that was reached without following a single symbolic link.
///
/// A path that was checked may lead elsewhere a moment later. A descriptor may not: what is done relative to it happens
/// in the folder that was checked, and a child that starts in it starts there.
final class Folder: Sendable {
    /// The descriptor; closed with the value, and inherited by no child.
    let descriptor: CInt
    /// The path by which it was reached.
    let path: String

    /// Opens a resolved path, component by component.
    ///
    /// - Throws: ``SystemFault``; `ELOOP` or `ENOTDIR` if a component has become a link since it was resolved.
    convenience init(resolved path: String) throws(SystemFault) {
        try self.init(hypi_open_folder(path), path)
    }

    private init(_ descriptor: CInt, _ path: String) throws(SystemFault) {
        guard descriptor >= 0 else { throw SystemFault(errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit {
        close(descriptor)
    }

    /// Makes a folder below this one, with those between; one that is there already is as good.
    ///
    /// - Parameter names: The components, each a plain name; without any, the answer is this folder.
    /// - Returns: The last one.
    /// - Throws: ``SystemFault``; `ELOOP` or `ENOTDIR` for a link or a file where a folder should be. Folders that were
    ///   made before the fault stay.
    @discardableResult
    func makeFolders(_ names: [Substring]) throws(SystemFault) -> Folder {
        guard let name = names.first.map(String.init) else { return self }
        guard mkdirat(descriptor, name, 0o777) == 0 || errno == EEXIST else { throw SystemFault(errno) }
        let next = try Folder(hypi_open_folder_in(descriptor, name), (path == "/" ? "" : path) + "/" + name)
        return try next.makeFolders(Array(names.dropFirst()))
    }
}
