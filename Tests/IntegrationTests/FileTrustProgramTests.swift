import Foundation
import HypiTestSupport
import Testing

/// Every file that a program believes is refused with one line and status 78 once others can change it.
@Suite("Files that others can change", .serialized)
struct FileTrustProgramTests {
    /// One file, how it is exposed, and a command that would believe it.
    struct Case: Sendable, CustomTestStringConvertible {
        var file: String
        var mode: mode_t
        var tool: String
        var arguments: [String]
        /// The folder is exposed instead of the file in it.
        var isFolder = false

        var testDescription: String { "\(tool): \(file) \(String(mode, radix: 8))" }
    }

    private static let config = ".config/hyper-pi"
    private static let state = ".local/state/hyper-pi"
    private static let spawn = ["--standalone", "--port", "0", "--detach"]

    @Test(
        "token, config, discovery file, key, log and extension",
        arguments: [
            Case(file: "\(config)/token", mode: 0o644, tool: "hypivisor", arguments: ["--port", "0"]),
            Case(file: "\(config)/token", mode: 0o644, tool: "hypi-ls", arguments: []),
            Case(file: "\(config)/token", mode: 0o644, tool: "pi-socket", arguments: spawn),
            Case(file: "\(config)", mode: 0o777, tool: "hypi-ls", arguments: [], isFolder: true),
            Case(file: "\(config)/config", mode: 0o666, tool: "hypi-ls", arguments: []),
            Case(file: "\(config)/config", mode: 0o666, tool: "hypivisor", arguments: ["--port", "0"]),
            Case(file: "\(config)/config", mode: 0o666, tool: "pi-socket", arguments: spawn),
            Case(file: "\(config)/config", mode: 0o666, tool: "hypi-dirs", arguments: ["."]),
            Case(file: "\(config)/config", mode: 0o666, tool: "hypi-attach", arguments: ["-p", "x", "y"]),
            Case(file: "\(config)/config", mode: 0o666, tool: "hypi-spawn", arguments: ["."]),
            Case(file: "\(state)/hypivisor.url", mode: 0o646, tool: "hypi-ls", arguments: []),
            Case(file: "\(state)", mode: 0o777, tool: "hypi-ls", arguments: [], isFolder: true),
            Case(file: "\(state)/log", mode: 0o777, tool: "pi-socket", arguments: spawn, isFolder: true),
            Case(file: "\(state)/extension", mode: 0o777, tool: "pi-socket", arguments: spawn, isFolder: true),
            Case(
                file: "key.pem", mode: 0o644, tool: "hypivisor",
                arguments: ["--port", "0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]),
            Case(
                file: "agent.log", mode: 0o666, tool: "pi-socket",
                arguments: ["--standalone", "--port", "0", "--log-file", "agent.log"]),
            Case(
                file: "ca.pem", mode: 0o666, tool: "hypi-ls",
                arguments: ["--hypivisor", "wss://127.0.0.1:1/ws", "--ca-file", "ca.pem"]),
        ])
    func refused(_ test: Case) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let path = fixture.home + "/" + test.file
        if test.isFolder {
            _ = try fixture.makeFolder(test.file)
        } else {
            try FileManager.default.createDirectory(
                atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
                withIntermediateDirectories: true)
            // Blank lines are a config file, and neither a token nor a URL.
            try Data((test.file.hasSuffix("/token") ? String(repeating: "a", count: 32) : "\n").utf8)
                .write(to: URL(fileURLWithPath: path))
        }
        try #require(chmod(path, test.mode) == 0)
        let (exit, _, errors) = try await fixture.run(test.tool, test.arguments)
        #expect(exit == .status(78), "\(errors)")
        let octal = String(test.mode, radix: 8)
        let lines = errors.split(separator: "\n")
        #expect(lines.count == 1 && errors.hasPrefix("\(test.tool): cannot trust "), "\(errors)")
        #expect(errors.contains("(mode 0\(octal))"), "\(errors)")
        #expect(errors.contains("(fix it with 'chmod "), "\(errors)")
        #expect(errors.contains(" \(path)')"), "\(errors)")
    }
}
