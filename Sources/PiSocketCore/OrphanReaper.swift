import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Ends the processes that pi leaves behind.
///
/// pi runs each tool in a session of its own, out of reach of a signal to pi's group, and such a tool outlives pi
/// (records real-0.58.3/12-*). As their subreaper (Linux) this process becomes their parent when pi is gone; what it did
/// not start itself is such an orphan. Elsewhere there is no subreaper, and nothing to find.
enum OrphanReaper {
    /// Makes this process inherit its descendants' orphans; false where the system cannot.
    static func adopt() -> Bool {
        hypi_become_subreaper() == 0
    }

    /// Children that we did not start: pid and whether it has ended already.
    static func orphans(except own: Set<pid_t>) -> [(pid: pid_t, hasEnded: Bool)] {
        guard let stream = opendir("/proc") else { return [] }
        defer { closedir(stream) }
        let us = getpid()
        var found: [(pid_t, Bool)] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let pid = pid_t(name), !own.contains(pid), let (state, parent) = stat(pid), parent == us else {
                continue
            }
            found.append((pid, state == "Z"))
        }
        return found
    }

    /// Signals what is alive and collects what has ended.
    ///
    /// - Returns: Whether anything is left.
    static func sweep(except own: Set<pid_t>, signal: CInt) -> Bool {
        var isAnythingLeft = false
        for orphan in orphans(except: own) {
            if !orphan.hasEnded {
                kill(orphan.pid, signal)
                isAnythingLeft = true
            }
            waitpid(orphan.pid, nil, WNOHANG)
        }
        return isAnythingLeft
    }

    /// Collects orphans that have ended by themselves.
    static func collect(except own: Set<pid_t>) {
        for orphan in orphans(except: own) where orphan.hasEnded { waitpid(orphan.pid, nil, WNOHANG) }
    }

    /// State and parent of a process, from /proc/<pid>/stat (proc(5)): `pid (name) state ppid`.
    private static func stat(_ pid: pid_t) -> (state: Character, parent: pid_t)? {
        guard let file = fopen("/proc/\(pid)/stat", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = fread(&buffer, 1, buffer.count, file)
        // The name may hold anything, so the fields are counted from its last parenthesis.
        let text = buffer[..<count]
        guard let close = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = String(decoding: text[text.index(after: close)...], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let state = fields[0].first, let parent = pid_t(fields[1]) else { return nil }
        return (state, parent)
    }
}
