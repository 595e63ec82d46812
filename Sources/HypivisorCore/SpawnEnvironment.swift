/// What of our environment an agent gets: all of it but Hyper-Pi's own secrets and what belongs to our own start.
///
/// An agent must find what its person's shell finds: `JAVA_HOME`, `VIRTUAL_ENV`, `DOCKER_HOST` and what else they have set.
/// Left out are `HYPI_TOKEN` and `HYPI_TOKEN_FILE`, which agents get as the server has them, a `HYPIVISOR_WS` with a token,
/// and what a service manager tells the process that it has started and nobody else.
///
/// With `--clean-env` it is the other way round, by name:
///
/// - the person and the system: `PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR SSH_AUTH_SOCK`, `LC_*`,
///   `XDG_*`;
/// - the network: `HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY` in either case, `SSL_CERT_FILE`, `SSL_CERT_DIR`,
///   `NODE_EXTRA_CA_CERTS`;
/// - ours and pi's: `HYPI_*`, `PI_*`;
/// - model providers: `*_API_KEY`, `*_OAUTH_TOKEN`, `ANTHROPIC_*`, `OPENAI_*`, `AZURE_*`, `AWS_*`, `GOOGLE_*`,
///   `GEMINI_*`, `GH_TOKEN`, `GITHUB_TOKEN`, `COPILOT_GITHUB_TOKEN`, `HF_TOKEN`.
///
/// What `--env` names comes on top either way.
public struct SpawnEnvironment: Sendable {
    /// Whether only the names above pass.
    public var isClean = false
    /// Variables that pass in any case; with a value, that value.
    public var additions: [(name: String, value: String?)] = []

    /// Everything passes.
    public init() {}

    private static let names: Set<String> = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "SSH_AUTH_SOCK",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
        "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_GITHUB_TOKEN", "HF_TOKEN",
    ]
    private static let proxies: Set<String> = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
    private static let prefixes = [
        "LC_", "XDG_", "HYPI_", "PI_", "ANTHROPIC_", "OPENAI_", "AZURE_", "AWS_", "GOOGLE_", "GEMINI_",
    ]
    private static let suffixes = ["_API_KEY", "_OAUTH_TOKEN"]
    private static let tokenNames: Set<String> = ["HYPI_TOKEN", "HYPI_TOKEN_FILE"]
    /// sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3), systemd.exec(5), and the folder that we were started in.
    private static let startNames: Set<String> = [
        "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", "MAINPID",
        "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "PWD", "OLDPWD", "_",
    ]

    /// The variables for an agent.
    ///
    /// - Parameters:
    ///   - ours: Our own environment.
    ///   - token: `HYPI_TOKEN_FILE` or `HYPI_TOKEN` with its value; empty under `--no-auth`.
    /// - Returns: All that the agent's environment holds.
    func variables(from ours: [String: String], token: [String: String]) -> [String: String] {
        var variables = ours.filter { passes($0.key, $0.value) }
        for (name, value) in additions {
            if let value = value ?? ours[name] { variables[name] = value }
        }
        return variables.merging(token) { $1 }
    }

    private func passes(_ name: String, _ value: String) -> Bool {
        if Self.tokenNames.contains(name) || Self.startNames.contains(name) { return false }
        if name == "HYPIVISOR_WS", value.contains("token=") { return false }
        return !isClean || Self.names.contains(name) || Self.proxies.contains(name.uppercased())
            || Self.prefixes.contains { name.hasPrefix($0) } || Self.suffixes.contains { name.hasSuffix($0) }
    }
}
