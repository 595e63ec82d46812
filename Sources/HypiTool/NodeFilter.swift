public import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Which agents are meant: every condition that is given has to hold.
public struct NodeFilter: Sendable {
    /// What they do; empty: anything.
    ///
    /// An offline agent does nothing, whatever was last heard of it.
    public var activities: Set<Node.Activity> = []
    /// Their machines; empty: any.
    public var machines: Set<String> = []
    /// Folders in or below which they work, absolute; empty: any.
    public var folders: [String] = []
    /// Shell patterns (`fnmatch(3)`) one of which their name matches; empty: any, unnamed ones too.
    public var namePatterns: [String] = []
    /// Their registration; `nil`: either.
    public var status: Node.Status?
    /// Their ids; `nil`: any.
    public var ids: Set<String>?

    /// A filter that lets everything through.
    public init() {}

    /// Whether an agent is meant.
    public func matches(_ node: Node) -> Bool {
        (ids?.contains(node.id) ?? true)
            && (status == nil || status == node.status)
            && (machines.isEmpty || machines.contains(node.machine))
            && (activities.isEmpty || isActivity(of: node))
            && (folders.isEmpty || folders.contains { Self.isFolder(node.cwd, inOrBelow: $0) })
            && (namePatterns.isEmpty || isName(of: node))
    }

    private func isActivity(of node: Node) -> Bool {
        node.status == .active && node.activity.map(activities.contains) == true
    }

    private func isName(of node: Node) -> Bool {
        guard let name = node.name else { return false }
        return namePatterns.contains { fnmatch($0, name, 0) == 0 }
    }

    /// By components: `/home/ann2` is not below `/home/ann`.
    private static func isFolder(_ cwd: String, inOrBelow folder: String) -> Bool {
        cwd == folder || folder == "/" || cwd.hasPrefix(folder + "/")
    }
}
