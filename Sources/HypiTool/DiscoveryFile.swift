public import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a running hypivisor says how it is reached, so that nothing has to be configured on its own machine.
///
/// `$XDG_STATE_HOME/hyper-pi/hypivisor.url` holds the URL of the one that was started last. It is a hint: when that
/// hypivisor was killed the file stays, and reaching it fails as for any other URL.
public struct DiscoveryFile: Sendable {
    /// The file.
    public let path: String

    /// The file of this person.
    ///
    /// - Throws: ``Failure`` if there is no home.
    public init(environment: Environment) throws(Failure) {
        path = try environment.stateFolder() + "/hypivisor.url"
    }

    /// The URL in the file; `nil` if there is no file, or no URL in it.
    public func read() -> WebSocketURL? {
        guard let text = try? PrivateFile.read(path) else { return nil }
        return WebSocketURL(text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? "")
    }

    /// Announces a URL.
    ///
    /// - Throws: ``PrivateFile/Fault``.
    public func write(_ url: WebSocketURL) throws(PrivateFile.Fault) {
        try PrivateFile.replace(path, with: "\(url)\n")
    }

    /// Takes the announcement back, unless another hypivisor has made its own since.
    public func remove(_ url: WebSocketURL) {
        if read() == url { unlink(path) }
    }
}
