import HypiWire
public import NIOCore
import Synchronization

/// One prompt to many agents at once: `hypi-attach -p TEXT -`.
public struct FanOut: Sendable {
    /// What every agent gets.
    public var prompt: PromptFilter.Options
    /// Agents that are talked to at once.
    public var jobs: Int
    /// How long each may take.
    public var timeout: Duration?
    /// How long to try to come back to an agent.
    public var patience: Duration

    /// A prompt for many.
    public init(_ prompt: PromptFilter.Options, jobs: Int, timeout: Duration?, patience: Duration) {
        self.prompt = prompt
        self.jobs = jobs
        self.timeout = timeout
        self.patience = patience
    }

    /// Asks every agent and writes `{"id","cwd","text","error"?}` as each finishes.
    ///
    /// - Parameters:
    ///   - endpoints: The agents; each must come with its node.
    ///   - describe: Turns what went wrong into words.
    ///   - group: Where connections' loops come from.
    ///   - output: Where the lines go.
    /// - Returns: Whether all of them answered.
    /// - Throws: What the output throws.
    public func run(
        _ endpoints: [AgentEndpoint], describe: @escaping @Sendable (any Error) -> String,
        on group: any EventLoopGroup, output: FilterOutput
    ) async throws -> Bool {
        try await withThrowingTaskGroup(of: JSON.self) { tasks in
            var rest = endpoints[...]
            for endpoint in rest.prefix(jobs) {
                tasks.addTask { try await ask(endpoint, describe, group) }
            }
            rest = rest.dropFirst(jobs)
            var allAnswered = true
            for try await line in tasks {
                try output.writeRecords(line.record)
                if line["error"] != nil { allAnswered = false }
                if let next = rest.popFirst() { tasks.addTask { try await ask(next, describe, group) } }
            }
            return allAnswered
        }
    }

    private func ask(
        _ endpoint: AgentEndpoint, _ describe: @Sendable (any Error) -> String, _ group: any EventLoopGroup
    ) async throws -> JSON {
        let text = TextSink()
        let output = FilterOutput(write: { text.append($0) }, note: { _ in })
        var line: JSONObject = ["id": .string(endpoint.name), "cwd": endpoint.node.map { .string($0.cwd) } ?? .null]
        do {
            let filter = PromptFilter(
                prompt, on: AgentConnection(to: endpoint, patience: patience, on: group), output: output)
            try await Deadline.within(timeout) { try await filter.run() }
        } catch let error as CancellationError {
            throw error
        } catch {
            line["error"] = .string(describe(error))
        }
        let error = line["error"]
        line["error"] = nil
        line["text"] = .string(text.text)
        line["error"] = error
        return .object(line)
    }
}

/// Gathers what a filter writes; guarded, since it writes from its own task.
private final class TextSink: Sendable {
    private let bytes = Mutex<[UInt8]>([])

    func append(_ piece: [UInt8]) {
        bytes.withLock { $0 += piece }
    }

    /// The text without the line break that ends it on a stream.
    var text: String {
        bytes.withLock { bytes in
            String(decoding: bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...], as: UTF8.self)
        }
    }
}
