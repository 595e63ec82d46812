import COpenSSL
import NIOConcurrencyHelpers
import NIOCore

/// A server's certificate and key, which can be read anew while connections are open.
public final class TLSCertificate: Sendable {
    private let certificateFile: String
    private let keyFile: String
    /// A lock, because connections are accepted on every loop.
    private let current: NIOLockedValueBox<TLSConfiguration>

    /// Reads both files.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM: the certificate, then those between it and its authority.
    ///   - keyFile: PEM: its key, without a passphrase.
    /// - Throws: ``TLSError/unusable(file:reason:)`` or ``TLSError/mismatch(certificate:key:)``.
    public init(certificateFile: String, keyFile: String) throws(TLSError) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        current = NIOLockedValueBox(try TLSConfiguration(certificateFile: certificateFile, keyFile: keyFile))
    }

    /// Reads both files again; connections that are open go on as they are.
    ///
    /// - Throws: As the initialiser; the certificate stays what it was then.
    public func reload() throws(TLSError) {
        let next = try TLSConfiguration(certificateFile: certificateFile, keyFile: keyFile)
        current.withLockedValue { $0 = next }
    }

    /// The fingerprint of what is shown to new connections; `nil` if OpenSSL could not make it.
    public var pin: TLSPin? {
        current.withLockedValue { $0.pin }
    }

    /// What stands in front of everything else on a new connection.
    func handler() throws(TLSError) -> some ChannelHandler {
        TLSHandler(try TLSSession(current.withLockedValue { $0 }))
    }
}
