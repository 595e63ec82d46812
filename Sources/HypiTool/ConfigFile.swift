#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a person has written down once for every program: `$XDG_CONFIG_HOME/hyper-pi/config`.
///
/// One `key = value` a line, keys being long option names; `#` starts a comment line. Flags and the environment come
/// first. One file serves all programs, so a key that this one does not take may be another's; one that none takes, one
/// without a value and one that is there twice are mistakes, and a limit that somebody relies on must not be passed over
/// for a slip of the finger.
public struct ConfigFile: Sendable, Equatable {
    /// One line of the file that says something.
    public struct Setting: Sendable, Equatable {
        /// The long name of an option, without its dashes.
        public let key: String
        /// What it is set to; never empty.
        public let value: String
        /// Where, as compilers write it: `path:line`.
        public let place: String

        /// Why this line cannot be meant.
        ///
        /// - Parameters:
        ///   - complaint: What is wrong, as the end of a sentence about `key = value`.
        ///   - hint: What would be right.
        /// - Returns: A failure with status 78.
        public func failure(_ complaint: String, hint: String? = nil) -> Failure {
            Failure(.configuration, "\(place): '\(key) = \(value)' \(complaint)", hint: hint)
        }
    }

    /// What at least one program takes, and takes once.
    private static let keys: Set<String> = [
        "allow-args", "allow-hooks", "ca-file", "clean-env", "enter", "grace", "heartbeat", "hook", "hypivisor",
        "idle-exit", "insecure", "jobs",
        "log-format", "log-level", "max-agents", "max-clients", "max-connections", "max-cost", "max-repeats",
        "max-turn", "no-color", "no-extension", "no-spawn", "node-ttl", "pi", "replay", "restart",
        "spawn-command", "timeout", "tls-pin", "token-file", "ui-timeout",
    ]

    /// What a program takes any number of times, as the option of that name.
    private static let lists: Set<String> = ["allow-host", "allow-origin", "env", "root", "spawn-hook"]

    private var settings: [String: [Setting]] = [:]

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
        let text = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (index, line) in lines.enumerated() {
            let line = Self.trimmed(line)
            guard !line.isEmpty, line.first != "#" else { continue }
            try add(try Self.setting(line, place: "\(path):\(index + 1)"))
        }
    }

    private static func setting(_ line: Substring, place: String) throws(Failure) -> Setting {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw Failure(.configuration, "\(place): not a setting", hint: "one 'option-name = value' a line")
        }
        let (key, value) = (String(parts[0]), String(parts[1]))
        guard keys.contains(key) || lists.contains(key) else {
            let near = Spelling.nearest(to: key, among: keys.union(lists).sorted())
            throw Failure(
                .configuration, "\(place): '\(key)' is no setting",
                hint: near.map { "did you mean '\($0)'?" } ?? "the manual pages list them, under FILES")
        }
        guard !value.isEmpty else {
            throw Failure(.configuration, "\(place): '\(key)' has no value", hint: "without the line it is unset")
        }
        return Setting(key: key, value: value, place: place)
    }

    private mutating func add(_ setting: Setting) throws(Failure) {
        if let first = settings[setting.key]?.first, !Self.lists.contains(setting.key) {
            throw Failure(
                .configuration, "\(setting.place): '\(setting.key)' is set already", hint: "see \(first.place)")
        }
        settings[setting.key, default: []].append(setting)
    }

    /// The value of a long option's name, without its dashes; `nil` if it is not set.
    public subscript(option: String) -> String? {
        settings[option]?.first?.value
    }

    /// What is said about a long option's name: nothing, one line, or several where the option can be repeated.
    public func settings(of option: String) -> [Setting] {
        settings[option] ?? []
    }

    /// The value of a flag: `true`, `yes`, `on`, `1` and their opposites.
    ///
    /// - Throws: ``Failure`` with status 78 for any other text.
    public func flag(_ option: String) throws(Failure) -> Bool {
        guard let setting = settings[option]?.first else { return false }
        switch setting.value.lowercased() {
        case "true", "yes", "on", "1": return true
        case "false", "no", "off", "0": return false
        default: throw setting.failure("is neither true nor false")
        }
    }

    private static func read(_ path: String) throws(Failure) -> String {
        do throws(PrivateFile.Fault) {
            return try PrivateFile.read(path, for: .trusted)
        } catch {
            guard error.code != ENOENT && error.code != ENOTDIR else { return "" }
            throw error.failure(.configuration)
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
