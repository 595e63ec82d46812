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

    /// A process that fell to us, or a descendant of one.
    struct Orphan: Equatable {
        var pid: pid_t
        /// It has ended and waits to be collected.
        var hasEnded: Bool
        /// It is our child, so that we have to collect it.
        var isOurs: Bool
    }

    /// Children that we did not start, and all that descends from them.
    static func orphans(except own: Set<pid_t>) -> [Orphan] {
        orphans(among: table(), except: own)
    }

    private static func orphans(
        among processes: [pid_t: (state: Character, parent: pid_t)], except own: Set<pid_t>
    ) -> [Orphan] {
        var children: [pid_t: [pid_t]] = [:]
        for (pid, entry) in processes { children[entry.parent, default: []].append(pid) }
        let us = getpid()
        var found: [Orphan] = []
        var rest = (children[us] ?? []).filter { !own.contains($0) }
        while let pid = rest.popLast() {
            guard let entry = processes[pid] else { continue }
            found.append(Orphan(pid: pid, hasEnded: entry.state == "Z", isOurs: entry.parent == us))
            rest += children[pid] ?? []
        }
        return found
    }

    /// Signals what is alive and was not signalled so before, and collects what has ended.
    ///
    /// - Parameters:
    ///   - own: Children that are not orphans.
    ///   - signal: What they get.
    ///   - done: Those that got it.
    ///   - collects: Whether to collect what has ended; not where somebody else waits for its status.
    /// - Returns: Whether anything is left.
    static func sweep(
        except own: Set<pid_t>, signal: CInt, done: inout Set<pid_t>, collects: Bool = true
    ) -> Bool {
        var isAnythingLeft = false
        for orphan in orphans(except: own) {
            if orphan.hasEnded {
                if orphan.isOurs, collects { waitpid(orphan.pid, nil, WNOHANG) }
            } else {
                isAnythingLeft = true
                if done.insert(orphan.pid).inserted { kill(orphan.pid, signal) }
            }
        }
        return isAnythingLeft
    }

    /// Collects orphans that have ended by themselves; reads all of /proc, so it is not for an event loop.
    ///
    /// - Parameter own: What we started ourselves, asked for after the processes were looked at: a child among them is
    ///   known by then, or its start is under way and the answer is `nil`.
    static func collect(except own: () -> Set<pid_t>?) {
        let processes = table()
        guard let own = own() else { return }
        for orphan in orphans(among: processes, except: own) where orphan.hasEnded && orphan.isOurs {
            waitpid(orphan.pid, nil, WNOHANG)
        }
    }

    private static func table() -> [pid_t: (state: Character, parent: pid_t)] {
        guard let stream = opendir("/proc") else { return [:] }
        defer { closedir(stream) }
        var processes: [pid_t: (state: Character, parent: pid_t)] = [:]
        while let entry = readdir(stream) {
            let name = String(cString: hypi_entry_name(entry))
            if let pid = pid_t(name), let status = stat(pid) { processes[pid] = status }
        }
        return processes
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
