import HypiWire
import NIOConcurrencyHelpers

/// The node as this bridge sees itself, shared between the hub's loop, which writes it, and the registration, which
/// sends what has changed.
final class NodeReport: Sendable {
    private struct State {
        var node: Node
        var signal: AsyncStream<Void>.Continuation?
        /// For whoever waits for another activity.
        var activitySignal: AsyncStream<Void>.Continuation?
    }

    private let state: NIOLockedValueBox<State>

    init(_ node: Node) {
        state = NIOLockedValueBox(State(node: node))
    }

    /// One element whenever the node has changed since the last was taken.
    ///
    /// Each registration takes a stream of its own, because a stream ends for good with the task that waits for it.
    func changes() -> AsyncStream<Void> {
        let (stream, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLockedValue { $0.signal = signal }
        return stream
    }

    /// Returns when the activity is another one, or the task was cancelled; one task at a time may wait.
    func activityChanges(from activity: Node.Activity?) async {
        let (stream, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let isOther = state.withLockedValue { state in
            state.activitySignal = signal
            return state.node.activity != activity
        }
        guard !isOther else { return }
        for await _ in stream where current.activity != activity { return }
    }

    /// The node as it is now.
    var current: Node {
        state.withLockedValue { $0.node }
    }

    /// Changes the node; says so if something is different afterwards.
    func change(_ body: (inout Node) -> Void) {
        let signals = state.withLockedValue { state -> [AsyncStream<Void>.Continuation?] in
            let before = state.node
            body(&state.node)
            guard state.node != before else { return [] }
            return [state.signal, state.node.activity == before.activity ? nil : state.activitySignal]
        }
        for signal in signals { signal?.yield() }
    }

    /// The fields that differ, as an `update` carries them: `null` for one that is no longer known.
    static func difference(from old: Node, to new: Node) -> JSONObject {
        guard let before = old.json.object, let after = new.json.object else { return [:] }
        var changes: JSONObject = [:]
        for member in after.members where before[member.key] != member.value { changes[member.key] = member.value }
        for member in before.members where after[member.key] == nil { changes[member.key] = .null }
        return changes
    }
}
