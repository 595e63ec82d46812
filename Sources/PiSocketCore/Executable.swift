#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds programs.
public enum Executable {
    /// The path of a program: as it is where it holds a slash, else from `PATH`, else beside this very program.
    ///
    /// The last place is for cron and systemd, whose `PATH` is short: tools that were installed together find each
    /// other.
    public static func find(_ name: String, path: String?) -> String? {
        if name.contains("/") { return name }
        let folders = (path ?? "/usr/bin:/bin").split(separator: ":").map(String.init) + [folder].compactMap { $0 }
        return folders.lazy.map { $0 + "/" + name }.first { isExecutable($0) }
    }

    /// This very program, also when its file was replaced meanwhile.
    public static var ownProgram: String {
        #if canImport(Glibc)
            "/proc/self/exe"
        #else
            folder.map { $0 + "/pi-socket" } ?? CommandLine.arguments[0]
        #endif
    }

    /// Why a file cannot be started, as far as that can be said beforehand.
    static func fault(_ path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return String(cString: strerror(errno)).lowercased() }
        guard status.st_mode & S_IFMT == S_IFREG else { return "not a file" }
        return access(path, X_OK) == 0 ? nil : String(cString: strerror(errno)).lowercased()
    }

    /// The folder this very program lies in.
    public static var folder: String? {
        #if canImport(Glibc)
            guard let resolved = realpath("/proc/self/exe", nil) else { return nil }
        #else
            guard let resolved = realpath(CommandLine.arguments[0], nil) else { return nil }
        #endif
        defer { free(resolved) }
        let path = String(cString: resolved)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }

    private static func isExecutable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
