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
    ///
    /// - Throws: ``Failure`` with status 78 if others can write the file: it says who gets the token.
    public func read() throws(Failure) -> WebSocketURL? {
        WebSocketURL(try words().first ?? "")
    }

    /// The pin of the hypivisor that has announced itself at this very host and port; `nil` for any other server.
    ///
    /// - Throws: ``Failure`` with status 78 if others can write the file.
    public func pin(of url: WebSocketURL) throws(Failure) -> TLSPin? {
        guard let announced = try read(), announced.isSecure, url.isSecure, announced.authority == url.authority else {
            return nil
        }
        return TLSPin(try words().dropFirst().first ?? "")
    }

    private func words() throws(Failure) -> [String] {
        do {
            let text = try PrivateFile.read(path, for: .trusted)
            return text.split(whereSeparator: \.isWhitespace).map(String.init)
        } catch {
            // It is a hint: one that cannot be read is none. One that others can write would send the token to them.
            guard error.doubt == nil else { throw error.failure(.configuration) }
            return []
        }
    }

    /// Announces a URL, and the pin of the certificate that is shown there.
    ///
    /// - Throws: ``PrivateFile/Fault``.
    public func write(_ url: WebSocketURL, pin: TLSPin? = nil) throws(PrivateFile.Fault) {
        try PrivateFile.replace(path, with: "\(url)\(pin.map { " \($0)" } ?? "")\n")
    }

    /// Takes the announcement back, unless another hypivisor has made its own since.
    public func remove(_ url: WebSocketURL) {
        if (try? read()) == url { unlink(path) }
    }
}
