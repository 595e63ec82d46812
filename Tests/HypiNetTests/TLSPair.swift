import Foundation
@testable import HypiNet
import HypiTestSupport
import NIOCore
import NIOEmbedded

/// A certificate in files, made by the library itself, and both kinds of rules for it.
struct TLSRules {
    let server: TLSConfiguration
    let client: TLSConfiguration
    let certificate: TLSCertificate

    static let shared = Result { try TLSRules() }

    init(names: [String] = ["localhost", "127.0.0.1"]) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hypi-tls-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let made = try SelfSigned(names: names)
        let (cert, key) = (folder + "/cert.pem", folder + "/key.pem")
        try made.certificate.write(toFile: cert, atomically: true, encoding: .utf8)
        try made.key.write(toFile: key, atomically: true, encoding: .utf8)
        server = try TLSConfiguration(certificateFile: cert, keyFile: key)
        client = try TLSConfiguration(TLSTrust(authorityFile: cert))
        certificate = try TLSCertificate(certificateFile: cert, keyFile: key)
    }
}

/// Two sessions in memory, and what each has made of the other's bytes.
struct SessionPair {
    let server: TLSSession
    let client: TLSSession

    init(_ rules: TLSRules) throws {
        server = try TLSSession(rules.server)
        client = try TLSSession(rules.client, host: "localhost")
    }

    /// The bytes a session has for its peer.
    static func output(_ session: TLSSession) -> ByteBuffer {
        var bytes = ByteBuffer()
        session.takeOutput(into: &bytes)
        return bytes
    }

    /// The flights of one handshake, client first, each given to the other side whole.
    func flights(_ change: (Int, inout ByteBuffer) throws -> Void = { _, _ in }) throws -> [ByteBuffer] {
        var flights: [ByteBuffer] = []
        for number in 0..<10 {
            let (from, to) = number % 2 == 0 ? (client, server) : (server, client)
            _ = try from.handshake()
            var bytes = Self.output(from)
            guard bytes.readableBytes > 0 else { break }
            try change(number, &bytes)
            flights.append(bytes)
            try to.receive(bytes)
        }
        return flights
    }

    /// What a session can read now.
    static func text(_ session: TLSSession) throws -> (text: String, last: TLSSession.Reading) {
        var plaintext = ByteBuffer()
        while true {
            let reading = try session.read(into: &plaintext)
            guard reading == .some else { return (String(buffer: plaintext), reading) }
        }
    }
}

/// Two channels in memory with handlers whose bytes are carried from one to the other.
final class ChannelPair {
    let server: EmbeddedChannel
    let client: EmbeddedChannel
    let loop = EmbeddedEventLoop()

    init(_ rules: TLSRules) throws {
        server = EmbeddedChannel(loop: loop)
        client = EmbeddedChannel(loop: loop)
        try server.pipeline.syncOperations.addHandler(TLSHandler(try TLSSession(rules.server)))
        try client.pipeline.syncOperations.addHandler(TLSHandler(try TLSSession(rules.client, host: "localhost")))
        for channel in [server, client] {
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }
    }

    /// Carries bytes until neither side has any; `piece` is the most at once.
    func carry(piece: Int = .max) throws {
        var isMoving = true
        while isMoving {
            isMoving = false
            for (from, to) in [(client, server), (server, client)] {
                while var bytes = try from.readOutbound(as: ByteBuffer.self) {
                    isMoving = true
                    while let part = bytes.readSlice(length: min(piece, bytes.readableBytes)), part.readableBytes > 0 {
                        guard to.isActive else { break }
                        try to.writeInbound(part)
                    }
                }
            }
            loop.run()
        }
    }

    /// Everything a side has read.
    static func text(_ channel: EmbeddedChannel) throws -> String {
        var text = ""
        while let bytes = try channel.readInbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    func finish() {
        _ = try? server.finish(acceptAlreadyClosed: true)
        _ = try? client.finish(acceptAlreadyClosed: true)
    }
}

extension MemoryLink {
    /// Connects a server of these rules with a client that believes it.
    convenience init(_ rules: TLSRules, keepsHalf: Bool = false) throws {
        try self.init(
            server: [TLSHandler(try TLSSession(rules.server))],
            client: [TLSHandler(try TLSSession(rules.client, host: "localhost"))], keepsHalf: keepsHalf)
    }
}

/// How much work the tests of TLS do, and what it costs.
enum TestEffort {
    /// Handshakes of the memory test: `HYPI_TLS_HANDSHAKES`, 2,000 by default.
    static var handshakes: Int {
        ProcessInfo.processInfo.environment["HYPI_TLS_HANDSHAKES"].flatMap { Int($0) } ?? 2000
    }

    /// The memory of this process, in bytes; 0 where the system does not say.
    static func residentBytes() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
    }
}
