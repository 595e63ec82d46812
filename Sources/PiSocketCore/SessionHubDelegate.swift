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

/// Who hears of the session; called on the hub's loop.
protocol SessionHubDelegate: AnyObject {
    /// The activity, the number of queued prompts, or whether pi has answered yet has changed.
    func hub(activity: Node.Activity, queued: Int, isUp: Bool)
    /// pi told its state.
    func hub(state: PiState)
    /// pi told its statistics.
    func hub(stats: PiStats)
    /// Viewers came or went.
    func hub(viewerCount: Int)
    /// Something happened.
    func hub(happened: SessionHappening)
    /// A viewer wants the agent to end.
    func hub(stopRequested force: Bool)
    /// Runs something that may block off the loop and brings its result back to it.
    func runBlocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void)
}
