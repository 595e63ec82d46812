import HypiNet
import HypiTool
import HypiWire

/// Prints the agents there are now.
struct Listing {
    private var selection: Selection
    private let printer: NodePrinter

    init(_ selection: Selection, _ printer: NodePrinter) {
        self.selection = selection
        self.printer = printer
    }

    mutating func run(_ link: RegistryLink) async throws -> ExitStatus {
        var feed = link.feed()
        let nodes = try await feed.firstList()
        try selection.resolveAll(in: nodes)
        let shown = NodeOrder.sorted(nodes.filter(selection.filter.matches))
        try printer.print(shown)
        if shown.isEmpty, StandardOutput.isTerminal {
            Diagnostic.print(
                "hypi-ls",
                nodes.isEmpty
                    ? "no agent is running (start one with 'hypi-spawn DIR')"
                    : "none of the \(nodes.count) agents meets these conditions")
        }
        await feed.close()
        return .success
    }
}

extension RosterFeed {
    /// The list that a registry sends first.
    ///
    /// - Throws: As ``next()``, or `ConnectionLost` if the connection ended before it.
    mutating func firstList() async throws -> [Node] {
        while true {
            switch try await next() {
            case .list(let nodes, _): return nodes
            case .lost(let closure): throw MessageStream.ConnectionLost(closure: closure)
            case .event, .resumed, .background: continue
            }
        }
    }
}
