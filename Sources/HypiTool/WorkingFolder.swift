#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a person stands: what relative folders and `~` on a command line mean.
public struct WorkingFolder: Sendable {
    /// The folder relative paths start from, absolute; empty where there is none: it was deleted, or is not UTF-8.
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
            // A name that is not UTF-8 would be another folder's once it is repaired.
            path = String(validatingCString: buffer) ?? ""
            free(buffer)
        }
        return WorkingFolder(path: path, home: try? environment.home())
    }

    /// The absolute path of a folder as it was typed: `~` expanded, `.` and `..` taken out, no slash at the end.
    ///
    /// Only the text is looked at, since the folder may be on another machine; ``existing(_:)`` asks this one.
    ///
    /// - Throws: ``Failure`` with status 64 for an empty text, and for a relative one where there is no working folder: it
    ///   must not be taken for one below `/`.
    public func absolute(_ text: String) throws(Failure) -> String {
        guard !text.isEmpty else { throw Failure(.usage, "'' is not a folder or file", hint: "'.' is this folder") }
        guard let rooted = rooted(text) else {
            throw Failure(
                .usage, "cannot tell where '\(text)' is: the working folder was deleted, or its name is not UTF-8",
                hint: "cd to another folder")
        }
        var parts: [Substring] = []
        for part in rooted.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The path of a folder of this machine with every symbolic link followed; `nil` if there is no such thing.
    public func existing(_ text: String) -> String? {
        // `..` behind a symbolic link is the parent of its target, so the system has to see the text unshortened.
        guard !text.isEmpty, let rooted = rooted(text), let buffer = realpath(rooted, nil) else { return nil }
        defer { free(buffer) }
        return String(validatingCString: buffer)
    }

    private func rooted(_ text: String) -> String? {
        if let home, text == "~" || text.hasPrefix("~/") { return home + text.dropFirst() }
        if text.hasPrefix("/") { return text }
        return path.isEmpty ? nil : path + "/" + text
    }

    /// A path as people like to read it: the home folder as `~`.
    public func abbreviated(_ folder: String) -> String {
        guard let home, home.count > 1, folder.hasPrefix(home) else { return folder }
        let rest = folder.dropFirst(home.count)
        return rest.isEmpty || rest.hasPrefix("/") ? "~" + rest : folder
    }
}
