import HypiWire
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A log file in the place of standard error, which begins anew at a size.
///
/// What was there is kept once, as `<path>.1`; both are readable for their owner alone. Several processes may share a
/// file: one of them begins it anew and the others follow. Where the folder does not let us rename, the file grows on:
/// a log that is too long is better than none.
public final class LogFile: Sendable {
    private let path: String
    private let limit: Int
    private let descriptor: CInt
    /// Held while a line is written, so that no line goes to a file that is being put aside.
    private let turn = Mutex(())

    /// Opens a log, appends to what is there, and begins anew at ``Limits/logBytes``.
    ///
    /// - Throws: ``Failure`` with status 73, or 78 if others can write the file or its folder.
    public convenience init(_ path: String) throws(Failure) {
        try self.init(path, limit: Limits.logBytes, descriptor: STDERR_FILENO)
    }

    /// Opens a log in the place of a descriptor.
    init(_ path: String, limit: Int, descriptor: CInt) throws(Failure) {
        self.path = path
        self.limit = limit
        self.descriptor = descriptor
        do {
            try FileTrust.check(path, for: .trusted)
        } catch {
            throw error.failure(.cannotCreate, kind: "log")
        }
        let code = reopen()
        guard code == 0 else {
            throw Failure(.cannotCreate, "cannot write log \(path): \(String(cString: strerror(code)).lowercased())")
        }
    }

    /// Writes a line.
    ///
    /// - Returns: 0, or the system's error number.
    func write(_ line: [UInt8]) -> CInt {
        turn.withLock { _ in
            beginAnew(before: line.count)
            return StandardOutput.writeAll(line, to: descriptor)
        }
    }

    private func beginAnew(before count: Int) {
        var ours = stat()
        guard fstat(descriptor, &ours) == 0, ours.st_mode & S_IFMT == S_IFREG, ours.st_size > 0,
            Int(ours.st_size) + count > limit
        else { return }
        // Of several processes one at a time looks whose turn it is.
        let old = dup(descriptor)
        guard old >= 0, flock(old, LOCK_EX) == 0 else { return }
        defer {
            flock(old, LOCK_UN)
            close(old)
        }
        var named = stat()
        // Somebody else may have put the file aside already.
        let isStillNamed = stat(path, &named) == 0 && named.st_ino == ours.st_ino && named.st_dev == ours.st_dev
        guard !isStillNamed || rename(path, path + ".1") == 0 else { return }
        _ = reopen()
    }

    private func reopen() -> CInt {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { return errno }
        defer { close(file) }
        return dup2(file, descriptor) < 0 ? errno : 0
    }
}
