import ArgumentParser
import HypiTool
import HypiWire

/// How agents are shown: a table for people, records for programs, ids for loops.
struct OutputOptions: ParsableArguments {
    @Flag(help: "One JSON object a line, as in a pipe.") var json = false
    @Flag(help: "A table, as on a terminal.") var table = false
    @Flag(name: .shortAndLong, help: "Ids only.") var quiet = false
    @Flag(help: "No colours (also NO_COLOR, TERM=dumb).") var noColor = false

    func validate() throws {
        guard [json, table, quiet].count(where: { $0 }) < 2 else {
            throw ValidationError("--json, --table and --quiet exclude each other")
        }
    }

    func printer(_ environment: Environment) -> NodePrinter {
        let terminal = Terminal(environment: environment, isColorRefused: noColor)
        let style: NodePrinter.Style =
            quiet ? .ids : json ? .records : table || terminal.isPresent ? .table : .records
        return NodePrinter(style: style, terminal: terminal, folder: .current(environment))
    }
}

/// Prints agents on standard output.
struct NodePrinter: Sendable {
    enum Style {
        case records
        case table
        case ids
    }

    let style: Style
    let terminal: Terminal
    let folder: WorkingFolder

    /// Prints a whole list; an empty one is no output.
    func print(_ nodes: [Node]) throws(Failure) {
        switch style {
        case .records:
            var bytes: [UInt8] = []
            for node in nodes { bytes += node.json.record }
            try StandardOutput.write(records: bytes)
        case .ids: try StandardOutput.write(Self.lines(of: nodes.map(\.id)))
        case .table: try StandardOutput.write(styled: tableLines(nodes).map { $0 + "\n" }.joined())
        }
    }

    /// Ids, one a line: a line break within one would make two of it.
    static func lines(of ids: [String]) -> String {
        ids.map { $0.replacing("\n", with: " ") + "\n" }.joined()
    }

    /// The lines of the table, fitted to the terminal as it is now.
    func tableLines(_ nodes: [Node]) -> [String] {
        NodeTable.table(nodes, folder: folder, now: WallClock.milliseconds())
            .lines(width: terminal.size()?.columns, isColored: terminal.isColored)
    }
}
