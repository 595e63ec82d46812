import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore

/// A real pi under a pi-socket, with a scripted model and a home of its own.
///
/// ```
/// hypi-attach, Viewer <-> pi-socket <-> copy-output.sh (a copy of pi's stdout) <-> pi <-> scripted_model.py
/// ```
final class RealPiLab {
    /// The home.
    let fixture: Fixture
    /// What answers pi.
    let model: ScriptedModel
    /// The bridge.
    let agent: (process: TestProcess, id: String, url: WebSocketURL)
    private let copy: String

    /// The folder of what a real pi needs in a test.
    static let support = tests + "/Support/real-pi"
    private static let tests = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// Starts the model, and pi in a folder of its own.
    ///
    /// - Parameters:
    ///   - pi: Which pi.
    ///   - arguments: For pi-socket.
    ///   - isListed: Whether a hypivisor is started, too.
    /// - Throws: What did not start.
    init(_ pi: RealPi, _ arguments: [String] = [], isListed: Bool = false) async throws {
        fixture = try Fixture()
        model = try await ScriptedModel(environment: fixture.environment)
        let configuring = try TestProcess(
            Self.tests + "/Scripts/configure-pi.sh", ["\(model.port)"], environment: fixture.environment)
        guard try await configuring.waitForExit() == .status(0) else {
            throw DeadlinePassed("pi could not be configured: \(configuring.errors.text)")
        }
        if isListed { _ = try await fixture.startHypivisor() }
        copy = fixture.home + "/pi-output"
        let program = "\(Self.support)/copy-output.sh \(copy) \(pi.path)"
        agent = try await fixture.startAgent(
            (isListed ? [] : ["--standalone"]) + arguments + [
                "--pi", program, "--", "--extension", Self.support + "/test-extension.ts",
            ], cwd: try fixture.makeFolder("project"), environment: ["PI_OFFLINE": "1"])
    }

    /// `hypi-attach` with these arguments, for this agent.
    func attach(
        _ arguments: [String], timeout: Duration = .seconds(30)
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await fixture.run("hypi-attach", arguments + ["\(agent.url)"], timeout: timeout)
    }

    /// One prompt and what it answers.
    func ask(
        _ prompt: String, _ arguments: [String] = []
    ) async throws -> (exit: TestProcess.Exit, output: String, errors: String) {
        try await attach(["-p", prompt] + arguments)
    }

    /// A viewer in the session dialect, once it has been welcomed.
    func viewer(stream: String = "full") async throws -> Viewer {
        let viewer = try await Viewer(
            agent.url, token: try fixture.token(), hello: ["stream": .string(stream)], subprotocols: ["pi-server.v1"])
        _ = try await viewer.frame("welcome") { $0["type"] == "welcome" }
        return viewer
    }

    /// The agent, as hypi-ls lists it.
    func node() async throws -> JSON {
        let list = try await fixture.run("hypi-ls", [agent.id])
        return try JSON(parsing: list.output.split(separator: "\n").first.map(String.init) ?? "null")
    }

    /// Ends the agent.
    ///
    /// - Returns: The lines of pi's stdout.
    func end() async throws -> [ByteBuffer] {
        agent.process.signal(SIGTERM)
        _ = try await agent.process.waitForExit()
        let bytes = FileManager.default.contents(atPath: copy) ?? Data()
        return bytes.split(separator: UInt8(ascii: "\n")).map { ByteBuffer(bytes: $0) }
    }
}
