public import HypiNet
public import HypiWire

/// The roster as a dashboard keeps it: from `init` and the events that follow.
public final class RosterMirror: Sendable {
    private let viewer: Viewer

    /// Connects to a registry.
    public init(_ url: WebSocketURL, token: Token?, trust: TLSTrust = TLSTrust()) async throws {
        viewer = try await Viewer(url, token: token, trust: trust)
    }

    /// Waits until the roster satisfies a predicate.
    public func nodes(
        _ what: String, timeout: Duration = .seconds(60),
        until isSatisfied: @escaping @Sendable ([Node]) -> Bool
    ) async throws -> [Node] {
        try await viewer.wait(what, timeout: timeout) { frames in
            frames.closure != nil || isSatisfied(Self.nodes(frames))
        }
        let nodes = Self.nodes(viewer.frames)
        guard isSatisfied(nodes) else { throw DeadlinePassed("the registry was lost before: \(what)") }
        return nodes
    }

    /// The roster now.
    public var nodes: [Node] { Self.nodes(viewer.frames) }

    /// How the connection ended, once it has.
    public var closure: Closure? { viewer.frames.closure }

    /// Waits until the registry has ended the connection.
    public func end(timeout: Duration = .seconds(60)) async throws -> Closure? {
        try await viewer.wait("the end of the connection", timeout: timeout) { $0.closure != nil }.closure
    }

    private static func nodes(_ frames: Viewer.Frames) -> [Node] {
        frames.json().reduce(into: []) { nodes, frame in
            guard let (event, _) = RegistryEvent.read(frame) else { return }
            apply(event, to: &nodes)
        }
    }

    private static func apply(_ event: RegistryEvent, to nodes: inout [Node]) {
        switch event {
        case .initial(let all, let isResumed): if !isResumed { nodes = all }
        case .nodeJoined(let node), .nodeUpdated(let node):
            nodes.removeAll { $0.id == node.id }
            nodes.append(node)
        case .nodeOffline(let id):
            for index in nodes.indices where nodes[index].id == id { nodes[index].status = .offline }
        case .nodeRemoved(let id): nodes.removeAll { $0.id == id }
        default: break
        }
    }
}
