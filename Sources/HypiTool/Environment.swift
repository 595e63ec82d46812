import CPlatform

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The environment and the places it names; the only code that calls getenv.
public struct Environment: Sendable {
    private let variables: [String: String]

    /// The environment of this process, as it was when this was called.
    public static func current() -> Environment {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text)
            if let equals = pair.firstIndex(of: "=") {
                variables[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
            }
            entry += 1
        }
        return Environment(variables)
    }

    /// The environment of this process, which from here on shows nobody what opens sockets.
    ///
    /// An agent's tools run as the same user and can read our environment with `ps e`, and what they read goes to a
    /// model's provider. To be called at the start, when no thread looks at the environment.
    public static func taken() -> Environment {
        let environment = current()
        for name in environment.secretNames { hypi_hide_variable(name) }
        return environment
    }

    /// An environment from a dictionary; for tests.
    public init(_ variables: [String: String]) {
        self.variables = variables
    }

    /// All variables.
    public var all: [String: String] {
        variables
    }

    /// A variable; `nil` if it is not set or empty, which the XDG specification and most people take for the same.
    public subscript(name: String) -> String? {
        guard let value = variables[name], !value.isEmpty else { return nil }
        return value
    }

    /// The variables without what opens sockets: for pi, whose environment its tools can send anywhere, and for hooks.
    public var withoutSecrets: [String: String] {
        variables.filter { name, _ in !secretNames.contains(name) }
    }

    /// The names of the variables that open sockets.
    public var secretNames: Set<String> {
        Set(variables.keys.filter { $0 == "HYPI_TOKEN" || $0 == "HYPIVISOR_WS" && isTokenIn($0) })
    }

    private func isTokenIn(_ name: String) -> Bool {
        variables[name]?.contains("token=") ?? false
    }

    /// The person's home folder.
    ///
    /// - Throws: ``Failure`` with status 78 if neither `HOME` nor the user database has one.
    public func home() throws(Failure) -> String {
        if let home = self["HOME"], home.hasPrefix("/") { return home }
        if let entry = getpwuid(getuid()), let directory = entry.pointee.pw_dir { return String(cString: directory) }
        throw Failure(.configuration, "HOME is not set and the user database has no home folder", hint: "set HOME")
    }

    /// Our folder for configuration: `$XDG_CONFIG_HOME/hyper-pi`.
    ///
    /// - Throws: ``Failure`` if there is no home.
    public func configFolder() throws(Failure) -> String {
        try folder("XDG_CONFIG_HOME", fallback: ".config")
    }

    /// Our folder for state: `$XDG_STATE_HOME/hyper-pi`.
    ///
    /// - Throws: ``Failure`` if there is no home.
    public func stateFolder() throws(Failure) -> String {
        try folder("XDG_STATE_HOME", fallback: ".local/state")
    }

    private func folder(_ variable: String, fallback: String) throws(Failure) -> String {
        // The XDG Base Directory Specification: relative paths are invalid and to be ignored.
        if let base = self[variable], base.hasPrefix("/") { return base + "/hyper-pi" }
        return try home() + "/" + fallback + "/hyper-pi"
    }

    /// The host name of this machine.
    public static func machine() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
