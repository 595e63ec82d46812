import HypiWire
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Says that an agent works on a session file, so that no second pi writes it.
///
/// An advisory lock on files in the state folder, one for the file's real path and, once the file is there, one for the file
/// itself, whatever other names it has. The system ends the locks with the process, however that ends. All calls block on
/// the disk.
public final class SessionLease: Sendable {
    /// Why a session file may not be used.
    public enum Fault: Error, Sendable, Equatable {
        /// An agent works on it; its id, where that could be read.
        case inUse(file: String, by: String?)
        /// There is no place for a lock, so that nobody can tell.
        case unavailable(path: String, code: CInt)
    }

    private let folder: String
    private let id: String
    /// The locks that are held, by their names.
    private let held = Mutex<[String: CInt]>([:])

    /// A lease on nothing.
    ///
    /// - Parameters:
    ///   - folder: Where the locks are.
    ///   - id: The agent that others are told of.
    public init(folder: String, id: String) {
        self.folder = folder
        self.id = id
    }

    deinit {
        held.withLock { for descriptor in $0.values { close(descriptor) } }
    }

    /// Takes a session file, and lets go of the one before.
    ///
    /// - Throws: ``Fault``; what was held is still held then.
    public func hold(_ file: String) throws(Fault) {
        let names = Self.names(of: file)
        try held.withLock { (held) throws(Fault) in
            var taken: [String: CInt] = [:]
            do throws(Fault) {
                for name in names where held[name] == nil { taken[name] = try lock(name, for: file) }
            } catch {
                for (name, descriptor) in taken { release(name, descriptor) }
                throw error
            }
            for (name, descriptor) in held where !names.contains(name) { release(name, descriptor) }
            held = held.filter { names.contains($0.key) }.merging(taken) { $1 }
        }
    }

    private func lock(_ name: String, for file: String) throws(Fault) -> CInt {
        let path = "\(folder)/\(name).lock"
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw .unavailable(path: path, code: errno) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                defer { close(descriptor) }
                guard code == EWOULDBLOCK else { throw .unavailable(path: path, code: code) }
                throw .inUse(file: file, by: Self.holder(descriptor))
            }
            // The holder before may have removed it between the two calls.
            guard Self.isNamed(path, descriptor) else {
                close(descriptor)
                continue
            }
            let record = Array(JSON.object(["id": .string(id), "pid": .int(getpid())]).bytes)
            // Who is told of the holder without a name is told enough.
            if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, record, record.count, 0) }
            return descriptor
        }
    }

    private func release(_ name: String, _ descriptor: CInt) {
        unlink("\(folder)/\(name).lock")
        close(descriptor)
    }

    private static func isNamed(_ path: String, _ descriptor: CInt) -> Bool {
        var (named, ours) = (stat(), stat())
        return stat(path, &named) == 0 && fstat(descriptor, &ours) == 0 && named.st_ino == ours.st_ino
            && named.st_dev == ours.st_dev
    }

    private static func holder(_ descriptor: CInt) -> String? {
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return nil }
        return (try? JSON(parsing: String(decoding: buffer[..<count], as: UTF8.self)))?["id"]?.string
    }

    /// The locks of a file: its path after every link, and itself where it is there.
    ///
    /// pi makes the file with the first answer, so that both names are needed.
    private static func names(of file: String) -> Set<String> {
        var names: Set<String> = ["path-" + digest(realPath(file))]
        var status = stat()
        if stat(file, &status) == 0 {
            names.insert("file-\(String(UInt64(status.st_dev), radix: 16))-\(String(UInt64(status.st_ino), radix: 16))")
        }
        return names
    }

    private static func realPath(_ file: String) -> String {
        if let real = resolve(file) { return real }
        guard let slash = file.lastIndex(of: "/"), let folder = resolve(String(file[...slash])) else { return file }
        return folder + file[slash...]
    }

    private static func resolve(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(validatingCString: real)
    }

    /// FNV-1a in 128 bits: a short name for a path of any length.
    private static func digest(_ text: String) -> String {
        let prime = UInt128(0x0000_0000_0100_0000) << 64 | 0x0000_0000_0000_013B
        let offset = UInt128(0x6C62_272E_07BB_0142) << 64 | 0x62B8_2175_6295_C58D
        let digest = text.utf8.reduce(offset) { ($0 ^ UInt128($1)) &* prime }
        return String(digest, radix: 16)
    }
}
