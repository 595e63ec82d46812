#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a person has written down once for every program: `$XDG_CONFIG_HOME/hyper-pi/config`.
///
/// One `key = value` a line, keys being long option names; `#` starts a comment line. Flags and the environment come
/// first. One file serves all programs, so a key that this one does not take may be another's; one that none takes is a
/// mistake, and a limit that somebody relies on must not be passed over for a slip of the finger.
public struct ConfigFile: Sendable, Equatable {
    /// What at least one program takes.
    private static let keys: Set<String> = [
        "allow-host", "allow-origin", "ca-file", "grace", "heartbeat", "hook", "hypivisor", "idle-exit", "insecure",
        "jobs", "log-format", "log-level", "max-agents", "max-clients", "max-connections", "max-cost", "max-repeats",
        "max-turn", "no-color", "no-extension", "no-spawn", "node-ttl", "pi", "replay", "restart", "root",
        "spawn-command", "timeout", "tls-pin", "token-file", "ui-timeout",
    ]

    private var values: [String: String] = [:]

    /// The file of this person; empty if there is none.
    ///
    /// - Throws: ``Failure`` with status 78 if it cannot be read, or a line is neither a setting of any program nor a comment.
    public init(environment: Environment) throws(Failure) {
        let path = try environment.configFolder() + "/config"
        try self.init(text: try Self.read(path), path: path)
    }

    /// Settings from a text.
    ///
    /// - Throws: ``Failure`` with status 78 that names the line.
    public init(text: String, path: String) throws(Failure) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = Self.trimmed(line)
            guard !line.isEmpty, line.first != "#" else { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !Self.trimmed(parts[0]).isEmpty else {
                throw Failure(
                    .configuration, "\(path):\(index + 1): not a setting", hint: "one 'option-name = value' a line")
            }
            let key = String(Self.trimmed(parts[0]))
            guard Self.keys.contains(key) else {
                throw Failure(
                    .configuration, "\(path):\(index + 1): no program takes '\(key)'",
                    hint: "the manual pages list what they take, under FILES")
            }
            values[key] = String(Self.trimmed(parts[1]))
        }
    }

    /// The value of a long option's name, without its dashes; `nil` if it is not set or empty.
    public subscript(option: String) -> String? {
        guard let value = values[option], !value.isEmpty else { return nil }
        return value
    }

    /// The value of a flag: `true`, `yes`, `on`, `1` and their opposites.
    ///
    /// - Throws: ``Failure`` with status 78 for any other text.
    public func flag(_ option: String) throws(Failure) -> Bool {
        switch self[option]?.lowercased() {
        case "true", "yes", "on", "1": return true
        case nil, "false", "no", "off", "0": return false
        case let text?: throw Failure(.configuration, "config: '\(option) = \(text)' is neither true nor false")
        }
    }

    private static func read(_ path: String) throws(Failure) -> String {
        do throws(PrivateFile.Fault) {
            return try PrivateFile.read(path)
        } catch {
            guard error.code != ENOENT && error.code != ENOTDIR else { return "" }
            throw Failure(.configuration, "cannot \(error.action) \(error.path): \(error.reason)")
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
