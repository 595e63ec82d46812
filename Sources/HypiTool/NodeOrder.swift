public import HypiWire

/// The order in which agents are listed: who needs a person first.
public enum NodeOrder {
    /// Agents sorted by what they do, then by folder, machine and id.
    public static func sorted(_ nodes: [Node]) -> [Node] {
        nodes.map { (rank($0), $0) }
            .sorted { ($0.0, $0.1.cwd, $0.1.machine, $0.1.id) < ($1.0, $1.1.cwd, $1.1.machine, $1.1.id) }
            .map(\.1)
    }

    private static func rank(_ node: Node) -> Int {
        guard node.status == .active else { return 9 }
        switch node.activity {
        case .inputRequired: return 0
        case .blocked: return 1
        case .retrying: return 2
        case .working: return 3
        case .compacting: return 4
        case .starting: return 5
        case .idle: return 6
        case .stopping: return 7
        case .other, nil: return 8
        }
    }
}
