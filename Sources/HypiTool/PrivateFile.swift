#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Small files that only their owner may read: the token, the address of a running hypivisor.
public enum PrivateFile {
    /// What went wrong with a file.
    public struct Fault: Error, Sendable, Equatable {
        /// What was tried, as a verb.
        public var action: String
        /// The file.
        public var path: String
        /// The system's error number.
        public var code: CInt

        /// The system's text for the error.
        public var reason: String {
            String(cString: strerror(code)).lowercased()
        }
    }

    /// The whole text of a file.
    ///
    /// - Throws: ``Fault`` with the system's reason, `ENOENT` among them.
    public static func read(_ path: String) throws(Fault) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Fault(action: "read", path: path, code: errno) }
        defer { close(descriptor) }
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

    /// Creates a file unless there is one; of several programs that try at once one wins.
    ///
    /// - Returns: The file's text: what was given, or what was there.
    /// - Throws: ``Fault``.
    public static func createUnlessPresent(_ path: String, _ text: String) throws(Fault) -> String {
        let temporary = try writeTemporary(beside: path, text)
        defer { unlink(temporary) }
        if link(temporary, path) == 0 { return text }
        guard errno == EEXIST else { throw Fault(action: "create", path: path, code: errno) }
        return try read(path)
    }

    /// Makes a folder and those above it, readable for its owner alone.
    ///
    /// - Throws: ``Fault``.
    public static func makeFolder(_ path: String) throws(Fault) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        let code = errno
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw Fault(action: "create", path: path, code: code)
        }
        try makeFolder(String(path[..<slash]))
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
