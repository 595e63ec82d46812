import COpenSSL
import NIOCore

/// A new key and the certificate that it signs for itself, for people without an authority.
public struct SelfSigned: Sendable {
    /// Ten years: what is pinned has no reason to end earlier.
    private static let lifetimeSeconds = 3650 * 24 * 60 * 60
    /// The clocks of two machines may differ by this.
    private static let clockSkewSeconds = 24 * 60 * 60

    /// The certificate, as PEM.
    public let certificate: String
    /// The key, as PEM without a passphrase: to be kept from everybody else.
    public let key: String

    /// Makes both.
    ///
    /// - Parameter names: Names and addresses the certificate is for; what is neither is left out. The first is its
    ///   common name.
    /// - Throws: ``TLSError/failed(reason:)``.
    public init(names: [String]) throws(TLSError) {
        try OpenSSL.load()
        ERR_clear_error()
        guard let key = hypi_tls_new_key(), let certificate = X509_new() else { throw .lastFailure() }
        defer {
            EVP_PKEY_free(key)
            X509_free(certificate)
        }
        try Self.fill(certificate, key, names.filter(Self.isName))
        guard X509_sign(certificate, key, EVP_sha256()) > 0 else { throw .lastFailure() }
        self.certificate = try Self.pem { PEM_write_bio_X509($0, certificate) }
        self.key = try Self.pem { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    private static func fill(
        _ certificate: OpaquePointer, _ key: OpaquePointer, _ names: [String]
    ) throws(TLSError) {
        let serial = Int64.random(in: 1 ... .max)
        let common = Array((names.first ?? "hyper-pi").utf8.prefix(64))
        let subject = X509_get_subject_name(certificate)
        let isFilled =
            X509_set_version(certificate, Int(X509_VERSION_3)) == 1
            && ASN1_INTEGER_set_int64(X509_get_serialNumber(certificate), serial) == 1
            && X509_gmtime_adj(X509_getm_notBefore(certificate), -clockSkewSeconds) != nil
            && X509_gmtime_adj(X509_getm_notAfter(certificate), lifetimeSeconds) != nil
            && X509_set_pubkey(certificate, key) == 1
            && X509_NAME_add_entry_by_txt(
                subject, "CN", MBSTRING_FLAG | 1, common, CInt(common.count), -1, 0) == 1
            && X509_set_issuer_name(certificate, subject) == 1
        guard isFilled else { throw .lastFailure() }
        let entries = names.map { (isAddress($0) ? "IP:" : "DNS:") + $0 }
        var extensions: [(CInt, String)] = [
            (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
            (NID_ext_key_usage, "serverAuth"), (NID_subject_key_identifier, "hash"),
        ]
        if !entries.isEmpty { extensions.append((NID_subject_alt_name, entries.joined(separator: ","))) }
        for (name, value) in extensions { try add(name, value, to: certificate) }
    }

    private static func add(_ name: CInt, _ value: String, to certificate: OpaquePointer) throws(TLSError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, certificate, certificate, nil, nil, 0)
        guard let part = X509V3_EXT_conf_nid(nil, &context, name, value) else { throw .lastFailure() }
        defer { X509_EXTENSION_free(part) }
        guard X509_add_ext(certificate, part, -1) == 1 else { throw .lastFailure() }
    }

    private static func isAddress(_ name: String) -> Bool {
        (try? SocketAddress(ipAddress: name, port: 0)) != nil
    }

    /// Names stand in a list with commas that OpenSSL parses: nothing that it could take for more gets in.
    private static func isName(_ name: String) -> Bool {
        isAddress(name)
            || !name.isEmpty && name.utf8.count < 254
                && name.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                        UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
    }

    private static func pem(_ write: (OpaquePointer) -> CInt) throws(TLSError) -> String {
        guard let file = BIO_new(BIO_s_mem()) else { throw .lastFailure() }
        defer { BIO_free(file) }
        guard write(file) == 1 else { throw .lastFailure() }
        let text = [UInt8](unsafeUninitializedCapacity: BIO_ctrl_pending(file)) { buffer, count in
            count = max(0, Int(BIO_read(file, buffer.baseAddress, CInt(buffer.count))))
        }
        return String(decoding: text, as: UTF8.self)
    }
}
