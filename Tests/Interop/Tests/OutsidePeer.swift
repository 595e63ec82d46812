import Foundation
import HypiTestSupport
import Testing

/// Somebody else's implementation of WebSocket, of which `make interop` says where it is.
enum OutsidePeer: String, CaseIterable, CustomTestStringConvertible {
    case python = "Python's websockets"
    case node = "Node's ws"

    /// Those that are on this machine.
    static var present: [OutsidePeer] {
        allCases.filter { $0.interpreter != nil }
    }

    /// What runs its scripts.
    var interpreter: String? {
        let name = self == .python ? "HYPI_INTEROP_PYTHON" : "HYPI_INTEROP_NODE"
        return ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    var testDescription: String { rawValue }

    /// Starts one of its scripts.
    func start(
        _ script: String, _ arguments: [String], in fixture: Fixture, input: TestProcess.Input = .null
    ) throws -> TestProcess {
        let path = self == .python ? "Python/\(script).py" : "Node/\(script).js"
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../\(path)").standardizedFileURL.path
        return try TestProcess(
            try #require(interpreter), [file] + arguments,
            // Debian's node-ws is found by Debian's node alone, unless told.
            environment: ["PATH": "/usr/bin:/bin", "NODE_PATH": "/usr/share/nodejs"],
            cwd: fixture.home, input: input)
    }
}
