import COpenSSL

/// The rules of TLS sessions of one kind: a server with its certificate, or a client with its trust.
///
/// Unchecked, because it holds pointers: `context` and `pinned` are set by the initialisers, never changed afterwards and
/// freed by nobody but `deinit`; OpenSSL counts references to a context with atomics, and `SSL_new`, the only use that is
/// made of it, may be called from any thread.
final class TLSConfiguration: @unchecked Sendable {
    let context: OpaquePointer
    let role: Role
    /// The certificate that a server shows, or the one that a client insists on.
    let pin: TLSPin?
    /// The bytes of a client's pin, where the callback of C finds them.
    private let pinned: UnsafeMutablePointer<UInt8>?

    /// A server's rules.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM: the certificate, then those between it and its authority.
    ///   - keyFile: PEM: its key, without a passphrase.
    /// - Throws: ``TLSError/unusable(file:reason:)``, ``TLSError/mismatch(certificate:key:)`` or
    ///   ``TLSError/failed(reason:)``.
    init(certificateFile: String, keyFile: String) throws(TLSError) {
        try OpenSSL.load()
        role = .server
        pinned = nil
        context = try Self.newContext(TLS_server_method())
        do throws(TLSError) {
            try Self.load(certificateFile, keyFile, into: context)
            pin = SSL_CTX_get0_certificate(context).flatMap { TLSPin(certificate: $0) }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
    }

    /// A client's rules.
    ///
    /// - Parameter trust: Whom to believe.
    /// - Throws: ``TLSError/unusable(file:reason:)`` or ``TLSError/failed(reason:)``.
    init(_ trust: TLSTrust) throws(TLSError) {
        try OpenSSL.load()
        role = .client
        pin = trust.pin
        let context = try Self.newContext(TLS_client_method())
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        if let pin = trust.pin {
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: TLSPin.byteCount)
            bytes.initialize(from: pin.bytes, count: TLSPin.byteCount)
            pinned = bytes
            SSL_CTX_set_cert_verify_callback(context, Self.verifyPin, bytes)
        } else {
            do throws(TLSError) {
                try Self.loadAuthorities(trust.authorityFile, into: context)
            } catch {
                // Ours alone until it is a property: once all of them are set, a throw runs `deinit`.
                SSL_CTX_free(context)
                throw error
            }
            pinned = nil
        }
        self.context = context
    }

    deinit {
        SSL_CTX_free(context)
        pinned?.deallocate()
    }

    private static func newContext(_ method: OpaquePointer?) throws(TLSError) -> OpaquePointer {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else { throw .lastFailure() }
        guard hypi_tls_context_prepare(context) == 1 else {
            SSL_CTX_free(context)
            throw .lastFailure()
        }
        // Without this OpenSSL would ask for a passphrase on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in -1 }
        return context
    }

    private static func load(
        _ certificateFile: String, _ keyFile: String, into context: OpaquePointer
    ) throws(TLSError) {
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw .unusable(file: certificateFile, reason: reason())
        }
        guard SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
            let code = ERR_peek_error()
            let isMismatch =
                ERR_GET_LIB(code) == ERR_LIB_X509
                && [X509_R_KEY_VALUES_MISMATCH, X509_R_KEY_TYPE_MISMATCH].contains(ERR_GET_REASON(code))
            let words = reason()
            throw isMismatch
                ? .mismatch(certificate: certificateFile, key: keyFile) : .unusable(file: keyFile, reason: words)
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            _ = TLSError.drain()
            throw .mismatch(certificate: certificateFile, key: keyFile)
        }
    }

    private static func loadAuthorities(_ file: String?, into context: OpaquePointer) throws(TLSError) {
        guard let file else {
            guard SSL_CTX_set_default_verify_paths(context) == 1 else { throw .lastFailure() }
            return
        }
        guard SSL_CTX_load_verify_file(context, file) == 1 else { throw .unusable(file: file, reason: reason()) }
    }

    private static func reason() -> String {
        guard let (code, reason) = TLSError.drain() else { return "no reason given" }
        // "no start line" is what OpenSSL says of a file in which it finds nothing of the kind.
        let isEmpty = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
        // And "unsupported" what it says of a text in which no decoder finds a key.
        if ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER { return "no private key (PEM, without a passphrase)" }
        return isEmpty ? "no start line (not a PEM file of that kind)" : reason
    }

    /// Compares the certificate that a server shows with the pin; its chain, name and dates do not count.
    private static let verifyPin: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> CInt = { store, pinned in
        guard let store, let pinned, let certificate = X509_STORE_CTX_get0_cert(store),
            let shown = TLSPin(certificate: certificate),
            shown.bytes.elementsEqual(UnsafeRawBufferPointer(start: pinned, count: TLSPin.byteCount))
        else {
            if let store { X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED) }
            return 0
        }
        X509_STORE_CTX_set_error(store, X509_V_OK)
        return 1
    }
}
