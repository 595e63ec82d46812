#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a person stands: what relative folders and `~` on a command line mean.
public struct WorkingFolder: Sendable {
    /// The folder relative paths start from, absolute; empty where the system does not tell.
    public let path: String
    /// The person's home; `nil` if there is none.
    public let home: String?

    /// A working folder from its parts.
    public init(path: String, home: String?) {
        self.path = path
        self.home = home
    }

    /// The working folder of this process.
    public static func current(_ environment: Environment) -> WorkingFolder {
        var path = ""
        if let buffer = getcwd(nil, 0) {
            path = String(cString: buffer)
            free(buffer)
        }
        return WorkingFolder(path: path, home: try? environment.home())
    }

    /// The absolute path of a folder as it was typed: `~` expanded, `.` and `..` taken out, no slash at the end.
    ///
    /// Only the text is looked at, since the folder may be on another machine; ``existing(_:)`` asks this one.
    public func absolute(_ text: String) -> String {
        var parts: [Substring] = []
        for part in rooted(text).split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The path of a folder of this machine with every symbolic link followed; `nil` if there is no such thing.
    public func existing(_ text: String) -> String? {
        // `..` behind a symbolic link is the parent of its target, so the system has to see the text unshortened.
        guard let buffer = realpath(rooted(text), nil) else { return nil }
        defer { free(buffer) }
        return String(cString: buffer)
    }

    private func rooted(_ text: String) -> String {
        if let home, text == "~" || text.hasPrefix("~/") { return home + text.dropFirst() }
        return text.hasPrefix("/") ? text : path + "/" + text
    }

    /// A path as people like to read it: the home folder as `~`.
    public func abbreviated(_ folder: String) -> String {
        guard let home, home.count > 1, folder.hasPrefix(home) else { return folder }
        let rest = folder.dropFirst(home.count)
        return rest.isEmpty || rest.hasPrefix("/") ? "~" + rest : folder
    }
}
