/// What of our environment an agent gets: what a login shell would give it, and what pi and its providers need.
///
/// Everything else stays here: a variable that happened to be set where hypivisor was started must not change how agents
/// behave, and a secret for something else is none of their business. The rule, by name:
///
/// - the person and the system: `PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM TMPDIR SSH_AUTH_SOCK`, `LC_*`,
///   `XDG_*`;
/// - the network: `HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY` in either case, `SSL_CERT_FILE`, `SSL_CERT_DIR`,
///   `NODE_EXTRA_CA_CERTS`;
/// - ours and pi's: `HYPI_*` but for the token, `PI_*`;
/// - model providers: `*_API_KEY`, `*_OAUTH_TOKEN`, `ANTHROPIC_*`, `OPENAI_*`, `AZURE_*`, `AWS_*`, `GOOGLE_*`,
///   `GEMINI_*`, `GH_TOKEN`, `GITHUB_TOKEN`, `COPILOT_GITHUB_TOKEN`, `HF_TOKEN`.
///
/// The token goes as the file it stands in; as text only where it came as text.
enum SpawnEnvironment {
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

    /// The variables for an agent.
    ///
    /// - Parameters:
    ///   - ours: Our own environment.
    ///   - token: `HYPI_TOKEN_FILE` or `HYPI_TOKEN` with its value; empty under `--no-auth`.
    /// - Returns: All that the agent's environment holds.
    static func variables(from ours: [String: String], token: [String: String]) -> [String: String] {
        ours.filter { passes($0.key) }.merging(token) { $1 }
    }

    private static func passes(_ name: String) -> Bool {
        if tokenNames.contains(name) { return false }
        return names.contains(name) || proxies.contains(name.uppercased())
            || prefixes.contains { name.hasPrefix($0) } || suffixes.contains { name.hasSuffix($0) }
    }
}
