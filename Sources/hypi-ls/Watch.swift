import HypiTool
import HypiWire

/// Follows the agents: a stream of changes for programs, a table that redraws itself for people.
struct Watch {
    private var selection: Selection
    private let printer: NodePrinter
    private var roster = Roster()
    private var hasResolved = false

    init(_ selection: Selection, _ printer: NodePrinter) {
        self.selection = selection
        self.printer = printer
    }

    mutating func run(_ link: RegistryLink, since cursor: String?) async throws -> ExitStatus {
        StandardOutput.endWithReader()
        if printer.style == .table { return try await Screen(selection, printer).run(link) }
        var feed = link.feed(since: cursor)
        while true {
            let changes = try take(try await feed.next(), isContinued: cursor != nil)
            try write(changes.filter(isMeant))
        }
    }

    /// What a piece of news changes, in the order it is to be told.
    private mutating func take(_ news: RosterFeed.News, isContinued: Bool) throws -> [Roster.Change] {
        switch news {
        case .list(let nodes, let cursor):
            if isContinued, !hasResolved {
                Diagnostic.print("hypi-ls", "the hypivisor no longer knows this cursor: all agents follow")
            }
            try resolve(in: nodes)
            var changes = roster.replace(with: NodeOrder.sorted(nodes)).filter(isMeant)
            // A list is one piece of news: only behind all of it can a reader go on.
            if !changes.isEmpty { changes[changes.count - 1].cursor = cursor }
            return changes
        case .background(let nodes):
            try resolve(in: nodes)
            _ = roster.replace(with: nodes)
            return []
        case .event(let event, let cursor): return roster.apply(event, cursor: cursor).map { [$0] } ?? []
        case .resumed: return []
        case .lost:
            Diagnostic.print("hypi-ls", "the connection to the hypivisor was lost: reconnecting")
            return []
        }
    }

    private mutating func resolve(in nodes: [Node]) throws {
        if !hasResolved { try selection.resolve(in: nodes) }
        hasResolved = true
    }

    /// Whether a change is told: an agent that meets the conditions, or did until now, or of which nothing is known.
    private func isMeant(_ change: Roster.Change) -> Bool {
        let known = [change.node, change.previous].compactMap { $0 }
        guard !known.isEmpty else { return selection.filter.ids?.contains(change.id) ?? true }
        return known.contains(where: selection.filter.matches)
    }

    private func write(_ changes: [Roster.Change]) throws(Failure) {
        guard !changes.isEmpty else { return }
        switch printer.style {
        case .ids: try StandardOutput.write(NodePrinter.lines(of: changes.map(\.id)))
        case .records, .table: try StandardOutput.write(records: changes.flatMap { $0.json.record })
        }
    }
}
