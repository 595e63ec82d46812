import HypiWire
import NIOConcurrencyHelpers

/// The node as this bridge sees itself, shared between the hub's loop, which writes it, and the registration, which
/// sends what has changed.
final class NodeReport: Sendable {
    private struct State {
        var node: Node
        var signal: AsyncStream<Void>.Continuation?
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

    /// The node as it is now.
    var current: Node {
        state.withLockedValue { $0.node }
    }

    /// Changes the node; says so if something is different afterwards.
    func change(_ body: (inout Node) -> Void) {
        let signal = state.withLockedValue { state -> AsyncStream<Void>.Continuation? in
            let before = state.node
            body(&state.node)
            return state.node == before ? nil : state.signal
        }
        signal?.yield()
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
