#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What hypivisor and systemd say to each other.
public enum Systemd {
    /// A user unit that runs hypivisor.
    ///
    /// `KillMode=process`: agents are started from here and must not end with us. There is no hardening: agents would
    /// inherit a umask, NoNewPrivileges, restricted system calls or limits, and work in the person's folders with the
    /// person's tools. We make our own files private ourselves.
    ///
    /// - Parameters:
    ///   - executable: The absolute path of hypivisor.
    ///   - arguments: Its options.
    ///   - variables: Environment variables that agents need and that a service manager does not have: `PATH`, `HYPI_PI`.
    /// - Returns: The unit's text.
    public static func unit(
        executable: String, arguments: [String], variables: [(name: String, value: String)]
    ) -> String {
        let environment = variables.map { "Environment=\(quoted("\($0.name)=\($0.value)", expands: false))\n" }
        return """
            [Unit]
            Description=Hyper-Pi registry of coding agents
            After=network.target

            [Service]
            Type=notify
            NotifyAccess=main
            \(environment.joined())ExecStart=\(([executable] + arguments).map { quoted($0) }.joined(separator: " "))
            Restart=always
            RestartSec=1
            KillMode=process
            TimeoutStopSec=10

            [Install]
            WantedBy=default.target

            """
    }

    /// One word of a line as `systemd.syntax(7)` reads it; in a command line `$` expands, too.
    private static func quoted(_ word: String, expands: Bool = true) -> String {
        let text = word.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            case "%": text += "%%"
            case "$" where expands: text += "$$"
            default: text.append(character)
            }
        }
        let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "/._-=:+,@%".contains($0) }
        return isPlain ? text : "\"\(text)\""
    }

    /// Tells the service manager a state, such as `READY=1` (sd_notify(3)); nothing happens where there is none.
    ///
    /// - Parameters:
    ///   - state: The assignment.
    ///   - path: The value of `NOTIFY_SOCKET`.
    /// - Returns: 0, or the system's error number.
    @discardableResult
    public static func notify(_ state: String, socket path: String?) -> CInt {
        guard let path, !path.isEmpty else { return 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // An abstract socket is written with `@` and begins with NUL.
        let bytes = path.hasPrefix("@") ? [0] + Array(path.utf8.dropFirst()) : Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return ENAMETOOLONG }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        #if canImport(Glibc)
            let descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        #else
            let descriptor = Darwin.socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        let length = socklen_t((MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + bytes.count)
        let message = Array(state.utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(descriptor, message, message.count, 0, $0, length)
            }
        }
        return sent == message.count ? 0 : errno
    }
}
