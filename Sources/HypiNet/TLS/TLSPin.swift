import COpenSSL

/// The SHA-256 fingerprint of one certificate: whoever shows that certificate is trusted, whatever else it says.
///
/// It is what `openssl x509 -noout -fingerprint -sha256` prints, with or without colons.
public struct TLSPin: Sendable, Hashable, CustomStringConvertible {
    /// The length of the fingerprint, in bytes.
    static let byteCount = 32

    let bytes: [UInt8]

    /// A pin from 64 hexadecimal digits, with colons between pairs or without; `nil` for any other text.
    public init?(_ text: some StringProtocol) {
        let digits = text.split(separator: ":", omittingEmptySubsequences: false)
        let isPaired = digits.count == 1 || digits.count == Self.byteCount && digits.allSatisfy { $0.utf8.count == 2 }
        let joined = Array(digits.joined().utf8)
        guard isPaired, joined.count == 2 * Self.byteCount else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: joined.count, by: 2) {
            guard let high = Self.value(joined[index]), let low = Self.value(joined[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    /// The pin of a certificate; `nil` if OpenSSL has no memory for it.
    init?(certificate: OpaquePointer) {
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard X509_digest(certificate, EVP_sha256(), &bytes, &length) == 1, length == Self.byteCount else { return nil }
        self.bytes = Array(bytes[..<Self.byteCount])
    }

    /// The 64 digits, in lower case.
    public var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// Which servers a client believes to be who they say they are.
public struct TLSTrust: Sendable, Hashable {
    /// A PEM file of authorities that are trusted instead of the system's.
    public var authorityFile: String?
    /// The one certificate that is trusted; then neither name, date nor authority count.
    public var pin: TLSPin?

    /// Trust; without anything it is in the system's authorities.
    public init(authorityFile: String? = nil, pin: TLSPin? = nil) {
        self.authorityFile = authorityFile
        self.pin = pin
    }
}
