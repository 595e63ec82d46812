import HypiWire
import NIOConcurrencyHelpers

/// The node as this bridge sees itself, shared between the hub's loop, which writes it, and the registration, which
/// sends what has changed.
final class NodeReport: Sendable {
    private let node: NIOLockedValueBox<Node>
    private let signal: AsyncStream<Void>.Continuation
    /// One element whenever the node has changed since the last was taken.
    let changes: AsyncStream<Void>

    init(_ node: Node) {
        self.node = NIOLockedValueBox(node)
        (changes, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The node as it is now.
    var current: Node {
        node.withLockedValue { $0 }
    }

    /// Changes the node; says so if something is different afterwards.
    func change(_ body: (inout Node) -> Void) {
        let isDifferent = node.withLockedValue { node in
            let before = node
            body(&node)
            return node != before
        }
        if isDifferent { signal.yield() }
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
