public import HypiNet
public import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Where a running hypivisor says how it is reached, so that nothing has to be configured on its own machine.
///
/// `$XDG_STATE_HOME/hyper-pi/hypivisor.url` holds the URL of the one that was started last and, where it speaks
/// TLS, behind a space the pin of its certificate: only this person can write the file, so that who finds the pin here
/// may trust it. It is a hint: when that
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
        WebSocketURL(words.first ?? "")
    }

    /// The pin of the hypivisor that has announced itself at this very host and port; `nil` for any other server.
    public func pin(of url: WebSocketURL) -> TLSPin? {
        guard let announced = read(), announced.isSecure, url.isSecure, announced.authority == url.authority else {
            return nil
        }
        return TLSPin(words.dropFirst().first ?? "")
    }

    private var words: [String] {
        guard let text = try? PrivateFile.read(path) else { return [] }
        return text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    /// Announces a URL, and the pin of the certificate that is shown there.
    ///
    /// - Throws: ``PrivateFile/Fault``.
    public func write(_ url: WebSocketURL, pin: TLSPin? = nil) throws(PrivateFile.Fault) {
        try PrivateFile.replace(path, with: "\(url)\(pin.map { " \($0)" } ?? "")\n")
    }

    /// Takes the announcement back, unless another hypivisor has made its own since.
    public func remove(_ url: WebSocketURL) {
        if read() == url { unlink(path) }
    }
}
