import HypiWire
import NIOCore
import PiAdapter

/// pi's stdin.
protocol PiInput: AnyObject {
    /// Writes one record; the LF is added.
    func write(line: ByteBuffer)
}

/// What happens in a session that hooks and the roster want to know.
enum SessionHappening: Sendable {
    /// A run ended and nothing follows.
    case settled
    /// A run ended with a failure of the model, and nothing follows; what it said.
    case failed(String)
    /// A dialog waits; its record.
    case inputRequired(ByteBuffer)
    /// A guard stopped the agent.
    case guarded(GuardTrip)
}

/// What pi has told of itself in one step.
struct SessionNews {
    /// What the agent does.
    struct Status: Equatable {
        var activity: Node.Activity
        /// Prompts that wait, here and in pi.
        var queued: Int
        /// Whether pi has answered yet.
        var isUp: Bool
    }

    /// What pi says it is.
    var state: PiState?
    var stats: PiStats?
    /// Whether a viewer has named the session, which counts more than the name that the agent was started with.
    var isRenamed = false

    var isEmpty: Bool {
        state == nil && stats == nil
    }

    /// The news, which are old afterwards.
    mutating func take() -> SessionNews {
        defer { (state, stats) = (nil, nil) }
        return self
    }
}

/// Who hears of the session; called on the hub's loop.
protocol SessionHubDelegate: AnyObject {
    /// What the agent does has changed, or pi has told its state or its statistics; all of it at once.
    func hub(status: SessionNews.Status, news: SessionNews)
    /// Viewers came or went.
    func hub(viewerCount: Int)
    /// Something happened.
    func hub(happened: SessionHappening)
    /// A viewer wants the agent to end.
    func hub(stopRequested force: Bool)
    /// Runs something that may block off the loop and brings its result back to it.
    func runBlocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void)
}
