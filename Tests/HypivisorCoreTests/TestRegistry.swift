import Foundation
import HypiNet
import HypiWire
import Logging
import NIOCore
import Testing

@testable import HypivisorCore

/// A hypivisor in this process, on a port of its own, with a folder of its own as its only root.
struct TestRegistry: Sendable {
    let hypivisor: Hypivisor
    let token: Token
    let folder: TestFolder

    var url: WebSocketURL { hypivisor.url }

    /// Runs `body` beside a hypivisor and stops it.
    static func run(
        _ change: (inout Hypivisor.Configuration, TestFolder) throws -> Void = { _, _ in },
        _ body: (TestRegistry) async throws -> Void
    ) async throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let token = Token.random()
        let policy = HandshakePolicy(token: token, machine: "desk")
        var spawning = Hypivisor.Spawning(command: nil, environment: ["PATH": "/usr/bin:/bin"])
        spawning.rejoinTime = .zero
        spawning.registrationTime = .zero
        var configuration = Hypivisor.Configuration(
            port: 0, policy: policy, roots: try Roots([folder.path], home: folder.path), spawning: spawning)
        try change(&configuration, folder)
        let hypivisor = try await Hypivisor.start(
            configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let registry = TestRegistry(hypivisor: hypivisor, token: token, folder: folder)
        let running = Task { await hypivisor.run() }
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(registry))
        } catch {
            outcome = .failure(error)
        }
        hypivisor.stop()
        await running.value
        try outcome.get()
    }

    /// A connection that has read its `init`.
    func peer(query: String? = nil) async throws -> RegistryPeer {
        let peer = try await RegistryPeer.connect(to: url, query: query, token: token)
        _ = try await peer.event("init")
        return peer
    }

    /// A viewer of an agent.
    func viewer(
        _ id: String, subprotocols: [String] = [], query: String? = nil, receivesParts: Bool = false
    ) async throws -> FramePeer.Handle {
        try await FramePeer.dial(
            url.with(path: "/ws/agent/" + id, query: query), token: token, subprotocols: subprotocols,
            receivesParts: receivesParts)
    }
}

/// A folder that is there for one test.
struct TestFolder: Sendable {
    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.appendingPathComponent("hypivisor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        path = base.resolvingSymlinksInPath().path
    }

    @discardableResult
    func make(_ name: String) throws -> String {
        let path = "\(path)/\(name)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: target)
    }

    func write(_ name: String, _ text: String, executable: Bool = false) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
        if executable {
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/\(name)")
        }
    }

    func read(_ name: String) -> String? {
        try? String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
    }

    func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(path)/\(name)")
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }
}
