import HypiTestSupport
import HypiWire

/// The scripted model of `Tests/Support/real-pi`, and what it has been asked.
final class ScriptedModel: Sendable {
    /// Where it listens.
    let port: Int
    private let process: TestProcess

    /// Starts the model on a free port.
    init(environment: [String: String]) async throws {
        process = try TestProcess(
            "/usr/bin/env", ["python3", RealPiLab.support + "/scripted_model.py"], environment: environment)
        guard let port = try JSON(parsing: try await process.line(0))["port"]?.int else {
            throw DeadlinePassed("the model names no port: \(process.output.text)")
        }
        self.port = port
    }

    /// Every request so far, in order.
    var requests: [JSON] {
        Self.records(process.output.text).filter { $0["kind"] != nil }
    }

    /// The prompts of the requests for a turn, in order.
    var prompts: [String] {
        requests.filter { $0["kind"] == "turn" }.compactMap { $0["prompt"]?.string }
    }

    /// Waits for a note about a request.
    func note(_ what: String, where matches: @escaping @Sendable (JSON) -> Bool) async throws {
        try await process.output.wait(what) { bytes, _ in
            Self.records(String(decoding: bytes, as: UTF8.self)).contains(where: matches)
        }
    }

    private static func records(_ text: String) -> [JSON] {
        // The last line may not have ended.
        text.split(separator: "\n").compactMap { try? JSON(parsing: String($0)) }
    }
}
