import HypiTool
import HypiWire

/// A table of agents that redraws itself in place.
///
/// Nothing of the terminal is changed but what stands on it, so an interrupt needs no cleaning up.
actor Screen {
    private var selection: Selection
    private let printer: NodePrinter
    private var roster = Roster()
    private var hasResolved = false
    private var isLost = false
    /// Lines of the last drawing, which the next one goes over.
    private var drawnLines = 0

    init(_ selection: Selection, _ printer: NodePrinter) {
        self.selection = selection
        self.printer = printer
    }

    func run(_ link: RegistryLink) async throws -> ExitStatus {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var feed = link.feed()
                while true { try await self.take(try await feed.next()) }
            }
            if printer.terminal.canMoveCursor {
                tasks.addTask { try await Terminal.onResize { try await self.redrawAll() } }
                tasks.addTask {
                    // Ages go on even where nothing happens.
                    while true {
                        try await Task.sleep(for: .seconds(2))
                        try await self.draw()
                    }
                }
            }
            try await tasks.waitForAll()
        }
        return .success
    }

    private func take(_ news: RosterFeed.News) throws {
        switch news {
        case .list(let nodes, _), .background(let nodes):
            if !hasResolved { try selection.resolve(in: nodes) }
            hasResolved = true
            isLost = false
            _ = roster.replace(with: nodes)
        case .event(let event, _): _ = roster.apply(event, cursor: nil)
        case .resumed: isLost = false
        case .lost: isLost = true
        }
        try draw()
    }

    /// A new width has wrapped what stands there: start from the top.
    private func redrawAll() throws {
        drawnLines = 0
        try draw(clearing: "\u{1B}[H\u{1B}[2J")
    }

    private func draw(clearing: String = "") throws {
        guard hasResolved else { return }
        var lines = printer.tableLines(NodeOrder.sorted(roster.nodes.filter(selection.filter.matches)))
        if lines.isEmpty { lines = ["no agents"] }
        if isLost { lines.append("the connection to the hypivisor was lost: reconnecting") }
        guard printer.terminal.canMoveCursor else {
            return try StandardOutput.write(styled: (lines + ["", ""]).joined(separator: "\n"))
        }
        let size = printer.terminal.size() ?? .init(columns: 80, rows: 24)
        // The last row is the cursor's.
        let room = max(2, size.rows - 1)
        if lines.count > room {
            let hidden = lines.count - room + 1
            lines = Array(lines.prefix(room - 1)) + ["… and \(hidden) more"]
        }
        var text = clearing + (drawnLines > 0 ? "\u{1B}[\(drawnLines)A\r" : "")
        for line in lines { text += line + "\u{1B}[K\n" }
        drawnLines = lines.count
        try StandardOutput.write(styled: text + "\u{1B}[J")
    }
}
