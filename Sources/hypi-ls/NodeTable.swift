import HypiTool
import HypiWire

/// Agents as rows: what they do, where, and what it costs.
enum NodeTable {
    private static let columns: [Table.Column] = [
        .init("ID", least: 10), .init("ACTIVITY"), .init("NAME", least: 8, rank: 3),
        .init("FOLDER", least: 12, kept: .end), .init("MACHINE", least: 6, rank: 4),
        .init("MODEL", least: 10, kept: .end, rank: 7), .init("COST", isRightAligned: true, rank: 5),
        .init("CONTEXT", isRightAligned: true, rank: 6), .init("AGE", isRightAligned: true, rank: 2),
    ]

    /// The table of some agents.
    ///
    /// - Parameters:
    ///   - nodes: The agents, in order.
    ///   - folder: Whose home is shown as `~`.
    ///   - now: The time of day, in milliseconds since the epoch.
    /// - Returns: The table, a row for each agent.
    static func table(_ nodes: [Node], folder: WorkingFolder, now: Int64) -> Table {
        // One machine is no news.
        let hasSeveralMachines = nodes.contains { $0.machine != nodes.first?.machine }
        return Table(
            columns: columns,
            rows: nodes.map { node in
                [
                    .init(node.id), activity(node), .init(node.name ?? ""), .init(folder.abbreviated(node.cwd)),
                    .init(hasSeveralMachines ? node.machine : ""), .init(node.model ?? "", .dim),
                    .init(node.cost.map(dollars) ?? ""),
                    .init(node.contextPercent.map(percent) ?? ""),
                    .init(
                        node.startedAt.flatMap(Timestamp.milliseconds).map { age(now.subtractingClamped($0)) } ?? "",
                        .dim),
                ]
            })
    }

    private static func activity(_ node: Node) -> Table.Cell {
        guard node.status == .active else { return .init("offline", .dim) }
        guard let activity = node.activity else { return .init("") }
        switch activity {
        case .inputRequired: return .init(activity.rawValue, .yellow)
        case .blocked, .retrying: return .init(activity.rawValue, .red)
        case .working, .compacting, .starting, .stopping: return .init(activity.rawValue, .cyan)
        case .idle: return .init(activity.rawValue, .green)
        case .other(let name): return .init(name)
        }
    }

    /// A share of the context window; nothing for what cannot be one.
    private static func percent(_ share: Double) -> String {
        guard share.isFinite, abs(share) < 1e6 else { return "" }
        return "\(Int(clamping: share.rounded()))%"
    }

    /// An amount; nothing for what cannot be one.
    private static func dollars(_ amount: Double) -> String {
        guard amount.isFinite, abs(amount) < 1e12 else { return "" }
        let cents = Int(clamping: (abs(amount) * 100).rounded())
        return (amount < 0 ? "-" : "") + "$\(cents / 100)." + (cents % 100 < 10 ? "0" : "") + "\(cents % 100)"
    }

    /// A length of time in its greatest unit that still says something; clocks of two machines may disagree a little.
    static func age(_ milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86_400)d"
        }
    }
}
