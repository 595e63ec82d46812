import Foundation
@testable import HypiNet
import HypiTestSupport
import NIOCore
import NIOSSL
import Testing

/// One of the two opinions about TLS.
enum Stack: String, CaseIterable {
    /// Ours, on OpenSSL.
    case hypi
    /// swift-nio-ssl, on BoringSSL.
    case oracle

    /// A server's handler.
    func server(_ pair: TestCertificates.Pair, _ versions: Versions = .modern) throws -> any ChannelHandler {
        switch self {
        case .hypi:
            return TLSHandler(
                try TLSSession(TLSConfiguration(certificateFile: pair.certificate, keyFile: pair.key)))
        case .oracle:
            var rules = NIOSSL.TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(pair.certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: pair.key, format: .pem)))
            versions.apply(to: &rules)
            return NIOSSLServerHandler(context: try NIOSSLContext(configuration: rules))
        }
    }

    /// A client's handler.
    func client(
        _ authority: String, host: String = "localhost", _ versions: Versions = .modern
    ) throws -> any ChannelHandler {
        switch self {
        case .hypi:
            return TLSHandler(
                try TLSSession(TLSConfiguration(TLSTrust(authorityFile: authority)), host: host))
        case .oracle:
            var rules = NIOSSL.TLSConfiguration.makeClientConfiguration()
            rules.trustRoots = .file(authority)
            versions.apply(to: &rules)
            return try NIOSSLClientHandler(context: NIOSSLContext(configuration: rules), serverHostname: host)
        }
    }

    /// The versions that the oracle speaks; ours has no choice.
    enum Versions: String, CaseIterable {
        case old
        case twelve
        case thirteen
        case modern

        fileprivate func apply(to rules: inout NIOSSL.TLSConfiguration) {
            switch self {
            case .old: (rules.minimumTLSVersion, rules.maximumTLSVersion) = (.tlsv1, .tlsv11)
            case .twelve: (rules.minimumTLSVersion, rules.maximumTLSVersion) = (.tlsv12, .tlsv12)
            case .thirteen: (rules.minimumTLSVersion, rules.maximumTLSVersion) = (.tlsv13, .tlsv13)
            case .modern: rules.minimumTLSVersion = .tlsv12
            }
        }
    }
}

/// Who serves and who calls.
struct Pairing: CustomTestStringConvertible {
    let server: Stack
    let client: Stack

    /// All four: what both of the oracle do is what is expected of the others.
    static let all = Stack.allCases.flatMap { server in
        Stack.allCases.map { Pairing(server: server, client: $0) }
    }

    var testDescription: String { "\(server.rawValue) serves \(client.rawValue)" }

    /// The versions that this pair can be held to: where both are ours, nothing but the newest is spoken.
    var versions: [Stack.Versions] {
        server == .hypi && client == .hypi ? [.modern] : [.twelve, .thirteen]
    }

    /// Connects both in memory.
    func link(
        _ certificates: Certificates, host: String = "localhost", _ versions: Stack.Versions = .modern,
        keepsHalf: Bool = false
    ) throws -> MemoryLink {
        try MemoryLink(
            server: [try server.server(certificates.good, versions)],
            client: [try client.client(certificates.authority.authority, host: host, versions)],
            keepsHalf: keepsHalf)
    }
}

/// The certificates of all tests, made once.
struct Certificates {
    let authority: TestCertificates
    let good: TestCertificates.Pair
    /// For a name alone: where a certificate is for an address, too, the oracle's client takes it for any name that is
    /// reached there, and ours does not.
    let named: TestCertificates.Pair
    let star: TestCertificates.Pair
    let expired: TestCertificates.Pair
    let selfSigned: TestCertificates.Pair
    let stranger: TestCertificates.Pair

    static let shared = Result { try Certificates() }

    private init() throws {
        authority = try TestCertificates()
        let other = try TestCertificates()
        good = try authority.issue("good")
        named = try authority.issue("named", names: ["DNS:localhost"])
        star = try authority.issue("star", names: ["DNS:*.example.org"])
        expired = try authority.issue("expired", days: -1)
        selfSigned = try authority.selfSigned("self")
        stranger = try other.issue("stranger")
        atexit {
            let made = try? Certificates.shared.get()
            made?.authority.cleanUp()
            if let pair = made?.stranger {
                try? FileManager.default.removeItem(atPath: (pair.key as NSString).deletingLastPathComponent)
            }
        }
    }
}

/// What an end made of a connection, in words that both stacks share.
enum Verdict: Equatable {
    case fine
    case truncated
    case untrusted
    case failed

    init(_ errors: [any Error]) {
        guard let first = errors.first else {
            self = .fine
            return
        }
        self =
            switch first {
            case TLSError.truncated: .truncated
            case TLSError.untrusted: .untrusted
            case NIOSSLError.uncleanShutdown: .truncated
            case let error as NIOSSLExtraError where error == .failedToValidateHostname: .untrusted
            case NIOSSLError.handshakeFailed(let cause) where "\(cause)".contains("CERTIFICATE_VERIFY_FAILED"):
                .untrusted
            default: .failed
            }
    }
}
