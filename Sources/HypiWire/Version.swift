/// The one version that all programs and protocols of a release report.
public enum Version {
    /// The release, as `--version` prints it and `ping` answers it.
    public static let current = "0.1.0"
    /// The registry protocol's version in `init` (specs/protocol.md, section 1); version 2 is additive.
    public static let registryProtocol = "1"
    /// The session dialect's version in `hello` and `welcome` (specs/protocol.md, section 3).
    public static let sessionProtocol = 1
}
