import COpenSSL

/// What went wrong with TLS, in OpenSSL's own words where it has some.
public enum TLSError: Error, Sendable, Equatable {
    /// A file with a certificate, a key or authorities cannot be used.
    case unusable(file: String, reason: String)
    /// The key does not belong to the certificate.
    case mismatch(certificate: String, key: String)
    /// The peer's certificate is not trusted, or is for another name.
    case untrusted(reason: String)
    /// The peer's certificate is not the one that is pinned; this is the pin of what it showed.
    case otherPin(shown: String)
    /// What the peer sends is not TLS.
    case notTLS
    /// The peer asked in plain HTTP.
    case plainHTTP
    /// The connection ended without the peer's goodbye: what came may be less than what was sent.
    case truncated
    /// More than ``Limits/tlsQueueBytes`` waits for the handshake, or for a peer that takes no answers.
    case queueFull
    /// Anything else that OpenSSL refuses.
    case failed(reason: String)

    /// Takes all errors from this thread's queue; the first is the cause, the others are its consequences.
    static func drain() -> (code: CUnsignedLong, reason: String)? {
        var first: CUnsignedLong?
        while case let code = ERR_get_error_all(nil, nil, nil, nil, nil), code != 0 { first = first ?? code }
        guard let first else { return nil }
        let reason = hypi_tls_reason(first).map { String(cString: $0).lowercased() }
        return (first, reason ?? "error \(String(first, radix: 16))")
    }

    /// The cause of what a library call has just refused.
    static func lastFailure() -> TLSError {
        .failed(reason: drain()?.reason ?? "no reason given")
    }

    /// The error behind a failed step of a session.
    static func ofSession(_ session: OpaquePointer) -> TLSError {
        guard let (code, reason) = drain() else { return .failed(reason: "no reason given") }
        guard ERR_GET_LIB(code) == ERR_LIB_SSL else { return .failed(reason: reason) }
        switch ERR_GET_REASON(code) {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return .untrusted(reason: String(cString: X509_verify_cert_error_string(SSL_get_verify_result(session))))
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: return .plainHTTP
        case SSL_R_WRONG_VERSION_NUMBER: return .notTLS
        default: return .failed(reason: reason)
        }
    }
}

extension TLSError: CustomStringConvertible {
    /// One line, what happened and why.
    public var description: String {
        switch self {
        case .unusable(let file, let reason): "cannot use \(file): \(reason)"
        case .mismatch(let certificate, let key): "the key \(key) does not belong to the certificate \(certificate)"
        case .untrusted(let reason): reason
        case .otherPin(let shown): "its certificate has another pin: \(shown)"
        case .notTLS: "it does not speak TLS"
        case .plainHTTP: "it asked in plain HTTP"
        case .truncated: "the TLS connection was cut off"
        case .queueFull: "too much waits for the TLS peer"
        case .failed(let reason): "TLS failed: \(reason)"
        }
    }
}
