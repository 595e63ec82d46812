#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Whether a file that a program is about to believe is under its user's control alone.
///
/// The rules are those of ssh. The user or root owns the file, every folder on the way to it and every symbolic link in
/// its path. Nobody else can write any of them; a folder with the sticky bit, such as `/tmp`, is allowed on the way. A
/// secret is unreadable for others, too. Two exceptions: a group named like the user that has no other members is the
/// user, and root may share a file that it owns with a group (as PostgreSQL allows for keys).
///
/// Access control lists and capabilities are not checked.
public enum FileTrust {
    /// What a file is used for.
    public enum Use: Sendable {
        /// It is believed: others may read it, and must not change it.
        case trusted
        /// It holds a secret: others must not read it either.
        case secret
    }

    /// Why a file or folder is not trusted.
    public enum Doubt: Sendable, Hashable {
        /// It belongs to this user, who is neither the caller nor root.
        case owner(UInt32)
        /// Users other than the owner can write it.
        case writable(mode: UInt32)
        /// Users other than the owner can read it, and it holds a secret.
        case readable(mode: UInt32)
    }

    /// Symbolic links that are followed in one path, as Linux has it.
    private static let maximumLinks = 40

    /// Checks a path before its file is opened, or created.
    ///
    /// A path that does not exist is fine as far as it goes. What is neither a regular file nor a folder, such as a pipe
    /// in `/dev/fd`, is checked only for the folders on the way to it.
    ///
    /// - Parameters:
    ///   - path: Absolute, or relative to the working folder.
    ///   - use: What it is used for.
    /// - Throws: ``PrivateFile/Fault`` that names the file, folder or link to correct.
    public static func check(_ path: String, for use: Use) throws(PrivateFile.Fault) {
        try check(path, for: use, user: geteuid())
    }

    /// Checks a path for a user; for tests, which are root.
    static func check(_ path: String, for use: Use, user: uid_t) throws(PrivateFile.Fault) {
        var status = stat()
        let isSpecial = stat(path, &status) == 0 && !isFileOrFolder(status)
        var walk = Walk(path: path, user: user)
        while let step = try walk.next() {
            let isLink = step.status.st_mode & S_IFMT == S_IFLNK
            // The links of /proc/self/fd lead to what is open, whatever their text says.
            if isSpecial, walk.isAtEnd, !isLink || step.path.hasPrefix("/proc/") { return }
            let isFolder = step.status.st_mode & S_IFMT == S_IFDIR
            let isTarget = walk.isAtEnd && !isLink
            let doubt = doubt(
                step.status, isLink ? .trusted : isTarget && !isFolder ? use : .trusted, user: user,
                isPassed: isFolder && !isTarget)
            if let doubt { throw PrivateFile.Fault(action: "trust", path: step.path, doubt: doubt, isFolder: isFolder) }
            if isLink { try walk.follow() }
        }
    }

    /// Checks a file that is open, which nobody can exchange any more.
    ///
    /// - Throws: ``PrivateFile/Fault``.
    static func check(
        _ descriptor: CInt, _ path: String, for use: Use
    ) throws(PrivateFile.Fault) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw PrivateFile.Fault(action: "read", path: path, code: errno) }
        guard isFileOrFolder(status) else { return }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        if let doubt = doubt(status, use, user: geteuid(), isPassed: false) {
            throw PrivateFile.Fault(action: "trust", path: path, doubt: doubt, isFolder: isFolder)
        }
    }

    /// The rules themselves.
    ///
    /// - Parameters:
    ///   - status: What the system says of the file.
    ///   - use: What the file is used for.
    ///   - user: Whose control is meant.
    ///   - isPassed: Whether it is a folder that only leads to the file; the sticky bit helps such a one.
    /// - Returns: The first reason not to trust the file; `nil` if it is trusted.
    static func doubt(_ status: stat, _ use: Use, user: uid_t, isPassed: Bool) -> Doubt? {
        guard status.st_uid == user || isRoot(status.st_uid) else { return .owner(status.st_uid) }
        if status.st_mode & S_IFMT == S_IFLNK { return nil }
        let mode = status.st_mode & 0o7777
        let isSticky = isPassed && mode & S_ISVTX != 0
        let isShared = isRoot(status.st_uid) && user != status.st_uid || isOwnGroup(status)
        let others: mode_t = isShared ? 0o007 : 0o077
        if mode & others & 0o022 != 0, !isSticky { return .writable(mode: UInt32(mode)) }
        if use == .secret, mode & others & 0o044 != 0 { return .readable(mode: UInt32(mode)) }
        return nil
    }

    private static func isFileOrFolder(_ status: stat) -> Bool {
        [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    }

    /// Whether a file's group is its owner's alone: named like the owner, their primary group, without other members.
    private static func isOwnGroup(_ status: stat) -> Bool {
        guard status.st_mode & 0o070 != 0, let person = getpwuid(status.st_uid) else { return false }
        guard person.pointee.pw_gid == status.st_gid else { return false }
        let name = String(cString: person.pointee.pw_name)
        guard let group = getgrgid(status.st_gid), String(cString: group.pointee.gr_name) == name else { return false }
        var member = group.pointee.gr_mem
        while let text = member?.pointee {
            if String(cString: text) != name { return false }
            member = member?.advanced(by: 1)
        }
        return true
    }

    /// Root, or whom the system shows in its place: in a user namespace that does not know root (bubblewrap, rootless
    /// containers) root's files belong to nobody.
    private static func isRoot(_ owner: uid_t) -> Bool {
        owner == 0 || owner == 65534 && isNamespaced
    }

    private static let isNamespaced: Bool = {
        let descriptor = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return false }
        let words = buffer[..<count].split(whereSeparator: { $0 <= 32 }).map { String(decoding: $0, as: UTF8.self) }
        return words != ["0", "0", "4294967295"]
    }()

    /// A path, one component at a time, links followed by hand: each of them is looked at.
    private struct Walk {
        /// One file, folder or link.
        struct Step {
            var path: String
            var status: stat
        }

        private var folder = ""
        private var rest: [Substring]
        private var current: Substring = ""
        private var links = 0
        private let user: uid_t

        init(path: String, user: uid_t) {
            self.user = user
            rest = Array(Walk.absolute(path).split(separator: "/").reversed())
        }

        /// Whether nothing comes after the last step.
        var isAtEnd: Bool { rest.isEmpty }

        private static func absolute(_ path: String) -> String {
            guard !path.hasPrefix("/"), let folder = getcwd(nil, 0) else { return path }
            defer { free(folder) }
            return String(cString: folder) + "/" + path
        }

        /// The next component; `nil` at the end, and where the path ends early or cannot be looked at.
        mutating func next() throws(PrivateFile.Fault) -> Step? {
            if !current.isEmpty { folder += "/" + current }
            current = ""
            while let component = rest.popLast() {
                if component == "." { continue }
                if component == ".." {
                    folder = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? ""
                    continue
                }
                let path = folder + "/" + component
                var status = stat()
                guard lstat(path, &status) == 0 else { return nil }
                current = component
                return Step(path: path, status: status)
            }
            return nil
        }

        /// Continues where the link of the last step leads.
        mutating func follow() throws(PrivateFile.Fault) {
            let path = folder + "/" + current
            links += 1
            guard links <= FileTrust.maximumLinks else {
                throw PrivateFile.Fault(action: "read", path: path, code: ELOOP)
            }
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(path, &buffer, buffer.count)
            guard count > 0 else { throw PrivateFile.Fault(action: "read", path: path, code: errno) }
            let target = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
            current = ""
            if target.hasPrefix("/") { folder = "" }
            rest += target.split(separator: "/").reversed()
        }
    }
}
