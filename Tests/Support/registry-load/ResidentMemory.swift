#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a process holds in memory.
enum ResidentMemory {
    /// The resident set of a process in bytes, from /proc; 0 where it cannot be told.
    static func bytes(of pid: Int32?) -> Int {
        guard let pid, let file = fopen("/proc/\(pid)/statm", "re") else { return 0 }
        defer { fclose(file) }
        var buffer = [CChar](repeating: 0, count: 256)
        guard fgets(&buffer, 256, file) != nil else { return 0 }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * Int(getpagesize())
    }
}
