import Foundation

/// An authority and certificates of it, made by the `openssl` command, which knows nothing of the code under test.
public struct TestCertificates: Sendable {
    /// A certificate and its key, as PEM files.
    public struct Pair: Sendable {
        /// The certificate.
        public var certificate: String
        /// The key.
        public var key: String
        /// The options of a server that shows it.
        public var serverOptions: [String] { ["--tls-cert", certificate, "--tls-key", key] }
    }

    /// A command that did not do what it was asked to.
    public struct Fault: Error {
        /// What it said.
        public var text: String
    }

    /// Where the files are.
    public let folder: String
    /// The authority's certificate.
    public var authority: String { folder + "/ca.pem" }

    /// Makes an authority in a folder of its own.
    public init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/hypi-ca-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        _ = try selfSigned("ca", names: [])
    }

    /// A certificate that nobody but itself vouches for.
    public func selfSigned(_ file: String, names: [String] = ["DNS:localhost", "IP:127.0.0.1"]) throws -> Pair {
        let pair = Pair(certificate: "\(folder)/\(file).pem", key: "\(folder)/\(file).key")
        let alternative = names.isEmpty ? [] : ["-addext", "subjectAltName=" + names.joined(separator: ",")]
        try openssl(
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
                + ["-subj", "/CN=\(file)", "-keyout", pair.key, "-out", pair.certificate] + alternative)
        return pair
    }

    /// A certificate of the authority.
    ///
    /// - Parameters:
    ///   - file: The files' name.
    ///   - names: Whom it is for, such as `DNS:localhost` or `IP:127.0.0.1`.
    ///   - days: How long it is valid; below zero it is over already.
    /// - Returns: The files.
    /// - Throws: ``Fault`` with what `openssl` said.
    public func issue(_ file: String, names: [String] = ["DNS:localhost", "IP:127.0.0.1"], days: Int = 30) throws
        -> Pair
    {
        let pair = Pair(certificate: "\(folder)/\(file).pem", key: "\(folder)/\(file).key")
        let request = "\(folder)/\(file).csr"
        let extensions = "\(folder)/\(file).ext"
        try Data("subjectAltName=\(names.joined(separator: ","))\n".utf8).write(to: URL(fileURLWithPath: extensions))
        try openssl(
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
                + ["-subj", "/CN=\(file)", "-keyout", pair.key, "-out", request])
        try openssl(
            ["x509", "-req", "-in", request, "-CA", authority, "-CAkey", "\(folder)/ca.key", "-CAcreateserial"]
                + ["-days", "\(days)", "-extfile", extensions, "-out", pair.certificate])
        return pair
    }

    /// The SHA-256 fingerprint of a certificate, as `openssl` prints it.
    public func fingerprint(of pair: Pair) throws -> String {
        let text = try openssl(["x509", "-in", pair.certificate, "-noout", "-fingerprint", "-sha256"])
        return String(text.split(separator: "=").last ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Runs `openssl` to its end.
    @discardableResult
    public func openssl(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Fault(text: text) }
        return text
    }

    /// Removes the files.
    public func cleanUp() {
        try? FileManager.default.removeItem(atPath: folder)
    }
}
