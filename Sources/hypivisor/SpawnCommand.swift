import HypiTool

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds the program that starts agents.
enum SpawnCommand {
    /// The command and its first arguments.
    ///
    /// `--spawn-command` is a path, or else a command line; without it `pi-socket` is looked for beside this
    /// program, so that one installation stays together, and then in `PATH`.
    ///
    /// - Returns: `nil` if there is none.
    static func find(_ option: String?, path: String?) -> [String]? {
        guard let option else { return beside("pi-socket").map { [$0] } ?? inPath("pi-socket", path).map { [$0] } }
        if isExecutable(option) { return [absolute(option)] }
        guard var words = CommandWords.split(option), let program = words.first else { return nil }
        if program.contains("/") { words[0] = absolute(program) }
        return words
    }

    /// This program's own path; `nil` if the system does not say.
    static func ownExecutable() -> String? {
        guard let path = realpath("/proc/self/exe", nil) ?? realpath(CommandLine.arguments[0], nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    /// A path that stays right in another working directory.
    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
        defer { free(folder) }
        return String(cString: folder) + "/" + path
    }

    private static func beside(_ name: String) -> String? {
        guard let own = ownExecutable(), let slash = own.lastIndex(of: "/") else { return nil }
        let path = own[...slash] + name
        return isExecutable(String(path)) ? String(path) : nil
    }

    private static func inPath(_ name: String, _ path: String?) -> String? {
        (path ?? "").split(separator: ":").map { "\($0)/\(name)" }.first(where: isExecutable)
    }

    private static func isExecutable(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
}
