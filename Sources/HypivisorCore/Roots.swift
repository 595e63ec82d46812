public import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The folders in which agents may be started and that may be looked at.
///
/// Paths are compared by their components after every symbolic link and `..` has been resolved, so that neither
/// `/home/user2` nor a link passes for something below `/home/user`.
public struct Roots: Sendable {
    /// The roots, resolved.
    let paths: [String]
    private let home: String?

    /// Resolves the roots.
    ///
    /// - Parameters:
    ///   - given: The roots, at least one, absolute or relative to the working directory.
    ///   - home: What `~` stands for in a request.
    /// - Throws: ``RegistryFault`` with code `not_found` for a root that is no folder one can reach,
    ///   `invalid_params` for one whose real path is not UTF-8.
    public init(_ given: [String], home: String?) throws(RegistryFault) {
        var paths: [String] = []
        for root in given {
            paths.append(try Self.realPath(root))
        }
        self.paths = paths
        self.home = home
    }

    /// Where a listing starts when nobody says where.
    var first: String { paths.first ?? "/" }

    /// The real path of a folder that a peer named.
    ///
    /// Blocks on the disk: for a thread that may wait.
    ///
    /// - Throws: ``RegistryFault`` with code `invalid_params` for a relative path or one that is not UTF-8, `not_found` for what is not there,
    ///   `outside_roots` for what is elsewhere.
    func resolve(_ path: String) throws(RegistryFault) -> String {
        let expanded = expandingHome(path)
        guard expanded.hasPrefix("/"), !expanded.utf8.contains(0) else {
            throw RegistryFault(.invalidParams, "path must be absolute: \(path)")
        }
        let real = try Self.realPath(expanded)
        guard contains(real) else { throw RegistryFault(.outsideRoots, "path is outside the allowed roots: \(path)") }
        return real
    }

    /// Opens a folder that a peer named.
    ///
    /// The path is resolved and checked, and then passed through without following a link: what is open is the folder that
    /// was checked, whatever the path leads to by now. Blocks on the disk.
    ///
    /// - Throws: As ``resolve(_:)``, and ``RegistryFault`` with code `not_found` or `system_error` for a folder that was
    ///   replaced meanwhile.
    func open(_ path: String) throws(RegistryFault) -> Folder {
        let real = try resolve(path)
        do throws(SystemFault) {
            return try Folder(resolved: real)
        } catch {
            throw error.registryFault("cannot open folder \(path)")
        }
    }

    /// Whether a resolved path is a root or below one.
    func contains(_ real: String) -> Bool {
        paths.contains { Self.isInside(real, root: $0) }
    }

    /// Whether one resolved path is the other or below it, by components.
    static func isInside(_ path: String, root: String) -> Bool {
        let (path, root) = (components(path), components(root))
        return path.count >= root.count && path[..<root.count] == root[...]
    }

    static func components(_ path: String) -> [Substring] {
        path.split(separator: "/")
    }

    private func expandingHome(_ path: String) -> String {
        guard let home, path == "~" || path.hasPrefix("~/") else { return path }
        return home + path.dropFirst()
    }

    /// The path without symbolic links, `.` and `..`.
    static func realPath(_ path: String) throws(RegistryFault) -> String {
        guard let resolved = realpath(path, nil) else {
            let code = errno
            throw SystemFault(code).registryFault("cannot open folder \(path)")
        }
        defer { free(resolved) }
        // A name that is no UTF-8 is refused: repaired, it would be that of another folder.
        guard let real = String(validatingCString: resolved) else {
            throw RegistryFault(.invalidParams, "cannot open folder \(path): its real path is not UTF-8")
        }
        return real
    }
}

/// An error number of the operating system, for turning into a refusal.
struct SystemFault: Error, Sendable, Equatable {
    /// The number.
    let code: CInt

    /// A fault from `errno`.
    init(_ code: CInt) {
        self.code = code
    }

    /// The system's own words.
    var reason: String {
        String(cString: strerror(code)).lowercased()
    }

    /// The refusal for a peer: what was tried, and why it failed.
    func registryFault(_ action: String) -> RegistryFault {
        let isAbsent = code == ENOENT || code == ENOTDIR
        return RegistryFault(isAbsent ? .notFound : .systemError, "\(action): \(reason)")
    }
}
