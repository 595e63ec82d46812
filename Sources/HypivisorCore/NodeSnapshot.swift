import HypiWire

/// A node as it stood at one moment.
///
/// Shared, not copied: a node has two dozen fields, and lists of ten thousand go from loop to loop.
final class NodeSnapshot: Sendable {
    /// The node.
    let node: Node

    /// A node as it stands.
    init(_ node: consuming Node) {
        self.node = node
    }
}
