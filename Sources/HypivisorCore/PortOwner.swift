import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Finds out which program listens on a port, as far as this person may know it.
public enum PortOwner {
    /// The program on a port, such as `node (pid 4711)`; `nil` where it cannot be told.
    ///
    /// Linux says it in `/proc`: the socket's inode in `/proc/net/tcp*`, and whose descriptor it is in `/proc/<pid>/fd`.
    public static func name(port: Int) -> String? {
        guard let inode = listeningInode(port) else { return nil }
        for pid in names(in: "/proc") where pid.allSatisfy(\.isNumber) {
            let folder = "/proc/\(pid)/fd"
            guard names(in: folder).contains(where: { link("\(folder)/\($0)") == "socket:[\(inode)]" }) else {
                continue
            }
            let command = text("/proc/\(pid)/comm").split(separator: "\n").first ?? "a program"
            return "\(command) (pid \(pid))"
        }
        return nil
    }

    /// The lines of `proc_net_tcp(5)`: local address and port in hexadecimal, state `0A` for listening, the inode.
    private static func listeningInode(_ port: Int) -> Substring? {
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            for line in text(table).split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":") else { continue }
                if Int(fields[1][fields[1].index(after: colon)...], radix: 16) == port { return fields[9] }
            }
        }
        return nil
    }

    private static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(String(cString: hypi_entry_name(entry)))
        }
        return names
    }

    private static func link(_ path: String) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }

    private static func text(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
