import COpenSSL
import HypiWire
import NIOCore

/// One TLS conversation: bytes in, bytes out; it knows no socket and no loop.
///
/// ```
/// from the peer -> receive -> OpenSSL -> read  -> plaintext
/// plaintext     -> write   -> OpenSSL -> takeOutput -> to the peer
/// ```
final class TLSSession {
    /// What a look for plaintext found.
    enum Reading: Equatable {
        /// Some plaintext was appended.
        case some
        /// None until more arrives.
        case none
        /// The peer has said goodbye: nothing will come.
        case ended
    }

    /// What is encrypted at once, in bytes; OpenSSL makes records of 16 KiB of it.
    private static let pieceBytes = 64 << 10

    /// Not private, so that a test can make a peer that does what ours never does.
    let session: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    /// Keeps the bytes of the pin that the verification looks at.
    private let configuration: TLSConfiguration
    /// Whether the handshake is through: nothing was encrypted before.
    private(set) var isEstablished = false

    /// A session that has not begun.
    ///
    /// - Parameters:
    ///   - configuration: The rules.
    ///   - host: The name or address the server must have a certificate for; clients only.
    /// - Throws: ``TLSError/failed(reason:)``.
    init(_ configuration: TLSConfiguration, host: String? = nil) throws(TLSError) {
        ERR_clear_error()
        guard let session = SSL_new(configuration.context) else { throw .lastFailure() }
        guard let input = BIO_new(BIO_s_mem()) else {
            SSL_free(session)
            throw .lastFailure()
        }
        guard let output = BIO_new(BIO_s_mem()) else {
            BIO_free(input)
            SSL_free(session)
            throw .lastFailure()
        }
        // The session owns both from here on.
        SSL_set_bio(session, input, output)
        (self.session, self.input, self.output, self.configuration) = (session, input, output, configuration)
        switch configuration.role {
        case .server: SSL_set_accept_state(session)
        case .client:
            SSL_set_connect_state(session)
            if let host { try expect(host) }
        }
    }

    deinit {
        SSL_free(session)
    }

    private func expect(_ host: String) throws(TLSError) {
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        // A name with its final dot is the same name; certificates have none.
        let name = host.last == "." ? String(host.dropLast()) : host
        guard isAddress || !name.isEmpty else { throw .untrusted(reason: "the server has no name") }
        // An address is no name (RFC 6066 section 3).
        let isSet =
            isAddress
            ? hypi_tls_require_address(session, host) == 1
            : hypi_tls_require_name(session, name) == 1 && hypi_tls_set_server_name(session, name) == 1
        guard isSet else { throw .lastFailure() }
    }

    /// Takes bytes of the peer; nothing happens with them before ``handshake()`` or ``read(into:)``.
    func receive(_ bytes: ByteBuffer) throws(TLSError) {
        ERR_clear_error()
        let count = bytes.withUnsafeReadableBytes { pointer in
            pointer.isEmpty ? 0 : BIO_write(input, pointer.baseAddress, CInt(pointer.count))
        }
        guard count == bytes.readableBytes else { throw .lastFailure() }
    }

    /// Goes on with the handshake as far as the peer's bytes allow.
    ///
    /// - Returns: Whether it is through.
    /// - Throws: ``TLSError``; an alert for the peer may be in the output then.
    func handshake() throws(TLSError) -> Bool {
        if isEstablished { return true }
        ERR_clear_error()
        let result = SSL_do_handshake(session)
        if result == 1 {
            isEstablished = true
            return true
        }
        guard SSL_get_error(session, result) == SSL_ERROR_WANT_READ else { throw failure() }
        return false
    }

    /// Appends plaintext that is there: a record at most.
    ///
    /// - Throws: ``TLSError``; an alert for the peer may be in the output then.
    func read(into buffer: inout ByteBuffer) throws(TLSError) -> Reading {
        ERR_clear_error()
        var result: CInt = 0
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(SSL3_RT_MAX_PLAIN_LENGTH)) { target in
            var count = 0
            result = SSL_read_ex(session, target.baseAddress, target.count, &count)
            return result == 1 ? count : 0
        }
        if result == 1 { return .some }
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ: return .none
        case SSL_ERROR_ZERO_RETURN: return .ended
        default: throw failure()
        }
    }

    /// Encrypts; what comes of it is appended to `output`.
    ///
    /// - Throws: ``TLSError``; nothing may be written after that.
    func write(_ plaintext: ByteBuffer, to encrypted: inout ByteBuffer) throws(TLSError) {
        var rest = plaintext
        encrypted.reserveCapacity(minimumWritableBytes: rest.readableBytes + rest.readableBytes / 256 + 64)
        while rest.readableBytes > 0 {
            ERR_clear_error()
            var count = 0
            let result = rest.withUnsafeReadableBytes { bytes in
                SSL_write_ex(session, bytes.baseAddress, min(bytes.count, Self.pieceBytes), &count)
            }
            guard result == 1 else { throw failure() }
            rest.moveReaderIndex(forwardBy: count)
            takeOutput(into: &encrypted)
        }
    }

    /// Appends what the peer has to be sent: parts of the handshake, alerts.
    func takeOutput(into buffer: inout ByteBuffer) {
        while case let pending = BIO_ctrl_pending(output), pending > 0 {
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { target in
                max(0, Int(BIO_read(output, target.baseAddress, CInt(clamping: min(pending, target.count)))))
            }
        }
    }

    /// Says goodbye; what came before stays before it.
    func close() {
        guard isEstablished else { return }
        ERR_clear_error()
        // Below zero means that the session had failed already, and then there is nobody to say goodbye to.
        if SSL_shutdown(session) < 0 { _ = TLSError.drain() }
    }

    private func failure() -> TLSError {
        let error = TLSError.ofSession(session)
        guard case .untrusted = error, configuration.pin != nil, configuration.role == .client else { return error }
        guard let certificate = hypi_tls_shown_certificate(session), let shown = TLSPin(certificate: certificate) else {
            return error
        }
        return .otherPin(shown: "\(shown)")
    }
}
