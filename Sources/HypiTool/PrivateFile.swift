#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files under their owner's control alone: the token, the config file, the address of a running hypivisor.
///
/// Every file is checked with ``FileTrust`` before it is used, and so is the folder of a file that is written.
public enum PrivateFile {
    /// What went wrong with a file.
    public struct Fault: Error, Sendable, Equatable {
        /// What was tried, as a verb.
        public var action: String
        /// The file.
        public var path: String
        /// The system's error number; `EACCES` if the file exists and is not trusted.
        public var code: CInt
        /// Why the file is not trusted; `nil` if the system failed.
        public var doubt: FileTrust.Doubt?
        private var isFolder = false

        /// The system refused.
        public init(action: String, path: String, code: CInt) {
            self.action = action
            self.path = path
            self.code = code
        }

        /// The file may be under somebody else's control.
        init(action: String, path: String, doubt: FileTrust.Doubt, isFolder: Bool) {
            self.init(action: action, path: path, code: EACCES)
            self.doubt = doubt
            self.isFolder = isFolder
        }

        /// The cause, in lower case.
        public var reason: String {
            switch doubt {
            case .none: String(cString: strerror(code)).lowercased()
            case .owner(let user): "it belongs to \(Self.name(of: user))"
            case .writable(let mode): "other users can write it (mode \(Self.octal(mode)))"
            case .readable(let mode): "other users can read it (mode \(Self.octal(mode)))"
            }
        }

        /// The command that corrects a file that is not trusted; `nil` if the system failed.
        public var remedy: String? {
            let word = ShellWord.quoted(path)
            return switch doubt {
            case .none: nil
            case .owner: "fix it with 'chown \(geteuid()) \(word)', or use another path"
            case .writable: "fix it with 'chmod go-w \(word)'"
            case .readable: "fix it with 'chmod 600 \(word)'"
            }
        }

        /// The failure of a program that needs the file.
        ///
        /// - Parameters:
        ///   - status: The exit status where the system failed. A file that is not trusted is always a wrong
        ///     configuration, 78.
        ///   - kind: What the file is, such as `token file`.
        ///   - hint: What would help where the system failed.
        /// - Returns: A failure with one line.
        public func failure(_ status: ExitStatus, kind: String? = nil, hint: String? = nil) -> Failure {
            let kind = doubt != nil && isFolder ? "folder" : kind
            let subject = kind.map { "\($0) \(path)" } ?? path
            return Failure(
                doubt == nil ? status : .configuration, "cannot \(action) \(subject): \(reason)", hint: remedy ?? hint)
        }

        private static func octal(_ mode: UInt32) -> String {
            let digits = String(mode, radix: 8)
            return String(repeating: "0", count: max(4 - digits.count, 0)) + digits
        }

        private static func name(of user: UInt32) -> String {
            guard let entry = getpwuid(user), let name = entry.pointee.pw_name else { return "user \(user)" }
            return "user '\(String(cString: name))'"
        }
    }

    /// Bytes that are read of a file at most; each of these files is a few lines long.
    private static let limit = 1 << 20

    /// The whole text of a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - use: What it is used for; others may not read a secret.
    /// - Returns: The text, with U+FFFD for what is not UTF-8.
    /// - Throws: ``Fault`` with the system's reason, `ENOENT` among them, or if others may have written the file.
    public static func read(_ path: String, for use: FileTrust.Use) throws(Fault) -> String {
        try FileTrust.check(path, for: use)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Fault(action: "read", path: path, code: errno) }
        defer { close(descriptor) }
        try FileTrust.check(descriptor, path, for: use)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            #if canImport(Glibc)
                let count = Glibc.read(descriptor, &buffer, buffer.count)
            #else
                let count = Darwin.read(descriptor, &buffer, buffer.count)
            #endif
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw Fault(action: "read", path: path, code: errno)
            }
            bytes += buffer[..<count]
            guard bytes.count <= limit else { throw Fault(action: "read", path: path, code: EFBIG) }
        }
    }

    /// Whether there is something of this name.
    public static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// Replaces a file in one step: readers see the old text or the new one, never a part.
    ///
    /// The folder is made (0700) if it is missing; the file is 0600.
    ///
    /// - Throws: ``Fault``; the old file is untouched then.
    public static func replace(_ path: String, with text: String) throws(Fault) {
        let temporary = try writeTemporary(beside: path, text)
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw Fault(action: "create", path: path, code: code)
        }
    }

    /// Creates a secret file if it is missing; of several programs that try at once one wins.
    ///
    /// - Returns: The file's text: what was given, or what was there.
    /// - Throws: ``Fault``.
    public static func createUnlessPresent(_ path: String, _ text: String) throws(Fault) -> String {
        let temporary = try writeTemporary(beside: path, text)
        defer { unlink(temporary) }
        if link(temporary, path) == 0 { return text }
        guard errno == EEXIST else { throw Fault(action: "create", path: path, code: errno) }
        return try read(path, for: .secret)
    }

    /// Makes a folder and those above it, readable for its owner alone; checks one that exists.
    ///
    /// - Throws: ``Fault``; if others can write the folder or one above it, among other reasons.
    public static func makeFolder(_ path: String) throws(Fault) {
        try FileTrust.check(path, for: .trusted)
        try make(path)
    }

    private static func make(_ path: String) throws(Fault) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        let code = errno
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw Fault(action: "create", path: path, code: code)
        }
        try make(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Fault(action: "create", path: path, code: errno) }
    }

    private static func writeTemporary(beside path: String, _ text: String) throws(Fault) -> String {
        if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash])) }
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Fault(action: "create", path: path, code: errno) }
        let code = StandardOutput.writeAll(Array(text.utf8), to: descriptor)
        close(descriptor)
        guard code == 0 else {
            unlink(temporary)
            throw Fault(action: "write", path: path, code: code)
        }
        return temporary
    }
}

extension PrivateFile.Fault {
    /// Whether the disk takes nothing: it is full, or may only be read.
    public var isOfDisk: Bool { doubt == nil && [ENOSPC, EDQUOT, EROFS].contains(code) }
}
