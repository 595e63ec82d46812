import ChatCore
import HypiTool

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Text on standard input beside `-p`: what `git diff | hypi-attach -p 'review this'` appends to the prompt.
///
/// Standard input belongs to us alone, or to a loop around us that reads a list from it (`while read -r x; do hypi-attach -p
/// "$x"; done < list`). It is left alone in these cases:
///
/// - A terminal, a device such as /dev/null, a folder, or nothing at all.
/// - A file that was read in part: a loop reads a line and leaves the rest for the next round.
/// - A pipe or socket that a program above us has as its own standard input, apart from programs that only start another
///   one (`timeout`, `env`): a shell that runs a loop, a script or a function has, and the shell of a pipeline has not.
/// - A pipe on which nothing comes for ``patience``: a program that starts others often leaves one open.
enum PipedText {
    /// What standard input has for us.
    enum Finding: Equatable {
        case nothing
        /// Text to append.
        case text(String)
        /// Text that was left to another program.
        case shared
        /// A pipe on which nothing came.
        case silent
    }

    /// How long the first byte may take.
    static let patience = Duration.seconds(3)

    /// Programs that start another one and read nothing.
    private static let wrappers: Set<String> = [
        "chrt", "doas", "env", "flock", "gtimeout", "ionice", "ltrace", "nice", "nohup", "nsenter", "perf", "prlimit",
        "script", "setarch", "setpriv", "setsid", "stdbuf", "strace", "sudo", "systemd-run", "taskset", "time",
        "timeout", "unshare", "valgrind",
    ]

    /// Reads standard input where it is ours.
    static func read() async throws -> Finding {
        var status = stat()
        guard fstat(STDIN_FILENO, &status) == 0 else { return .nothing }
        let patience: Duration?
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            guard lseek(STDIN_FILENO, 0, SEEK_CUR) == 0 else { return .nothing }
            patience = nil
        case S_IFIFO, S_IFSOCK:
            if isSharedAbove(status) { return hasBytes() ? .shared : .nothing }
            patience = Self.patience
        default: return .nothing
        }
        guard let text = try await InputRecords.all(of: STDIN_FILENO, patience: patience) else { return .silent }
        return text.allSatisfy(\.isWhitespace) ? .nothing : .text(text)
    }

    private static func hasBytes() -> Bool {
        var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&request, 1, 0) > 0 && request.revents & Int16(POLLIN) != 0
    }

    /// Whether a program above us reads the same pipe; where the system does not say (no /proc), nobody does.
    private static func isSharedAbove(_ own: stat) -> Bool {
        var process = getppid()
        while process > 0, let (name, parent) = ancestor(process) {
            var status = stat()
            guard stat("/proc/\(process)/fd/0", &status) == 0, status.st_dev == own.st_dev,
                status.st_ino == own.st_ino
            else { return false }
            guard wrappers.contains(name) else { return true }
            process = parent
        }
        return false
    }

    /// A process's name and parent (proc(5), /proc/pid/stat).
    private static func ancestor(_ process: pid_t) -> (name: String, parent: pid_t)? {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 512)
        #if canImport(Glibc)
            let count = Glibc.read(descriptor, &buffer, buffer.count)
        #else
            let count = Darwin.read(descriptor, &buffer, buffer.count)
        #endif
        guard count > 0 else { return nil }
        // The name stands in parentheses and may contain some itself.
        let text = String(decoding: buffer[..<count], as: UTF8.self)
        guard let start = text.firstIndex(of: "("), let end = text.lastIndex(of: ")"), start < end else { return nil }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 2, let parent = pid_t(fields[2]) else { return nil }
        return (String(text[text.index(after: start)..<end]), parent)
    }
}
