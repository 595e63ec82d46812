#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where another of our programs is.
public enum ProgramPath {
    /// The path of a program that was installed with this one: beside it, else in `PATH`; `nil` if it is nowhere.
    ///
    /// Beside comes first, so that a build uses its own parts and not those of an older installation.
    public static func find(_ name: String, _ environment: Environment) -> String? {
        let path = environment["PATH"] ?? "/usr/bin:/bin"
        let folders = [folder].compactMap { $0 } + path.split(separator: ":").map(String.init)
        return folders.lazy.map { $0 + "/" + name }.first { candidate in
            var status = stat()
            return stat(candidate, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(candidate, X_OK) == 0
        }
    }

    /// The folder of the running program; `nil` if the system does not tell.
    private static var folder: String? {
        #if canImport(Glibc)
            let name = "/proc/self/exe"
        #else
            let name = CommandLine.arguments[0]
        #endif
        guard let resolved = realpath(name, nil) else { return nil }
        defer { free(resolved) }
        let path = String(cString: resolved)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }
}
