import ArgumentParser
import HypiNet
import HypiTool
import HypiWire

/// What can be waited for.
enum WaitState: String, ExpressibleByArgument, CaseIterable {
    /// The agent's turn is over.
    case idle
    /// A dialog waits for a person.
    case inputRequired = "input-required"
    /// The agent takes prompts.
    case ready
    /// The agent is no longer listed.
    case gone

    func isReached(by node: Node?) -> Bool {
        guard let node else { return self == .gone }
        guard node.status == .active else { return false }
        switch self {
        case .idle: return node.activity == .idle
        case .inputRequired: return node.activity == .inputRequired
        // An agent of version 1 does not say what it does; that it registered means that it can be talked to.
        case .ready: return node.activity != .starting
        case .gone: return false
        }
    }
}

/// Waits until every agent that was asked for has reached a state, and prints them.
///
/// A hypivisor that was restarted has an empty list until its agents are back. An agent that is missing from such a
/// list is only believed to be gone once the time is over for which its entry would have stayed.
actor Wait {
    /// The time an offline agent stays listed (specs/protocol.md, section 1).
    private static let grace = Duration.seconds(30)

    private let state: WaitState
    private var selection: Selection
    private let printer: NodePrinter
    private let limit: TimeLimit
    private var roster = Roster()
    /// The agents that were asked for, once there is a list.
    private var awaited: Set<String>?
    /// Words that mean nobody yet.
    private var unknown: [TargetWord] = []
    /// Agents that were missing from a list that is not the first.
    private var doubtful: Set<String> = []
    private let (doubts, doubtSink) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(for state: WaitState, _ selection: Selection, _ printer: NodePrinter, _ limit: TimeLimit) {
        self.state = state
        self.selection = selection
        self.printer = printer
        self.limit = limit
    }

    func run(_ link: RegistryLink) async throws -> ExitStatus {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                var feed = link.feed()
                while try await !self.take(try await feed.next()) {}
                await feed.close()
            }
            tasks.addTask { [doubts] in
                for await _ in doubts {
                    try await Task.sleep(for: Self.grace)
                    if try await self.settleDoubts() { return }
                }
            }
            try await tasks.next()
            tasks.cancelAll()
        }
        try printer.print(NodeOrder.sorted((awaited ?? []).compactMap { roster[$0] }))
        return .success
    }

    /// Takes in a piece of news; answers whether all are there.
    private func take(_ news: RosterFeed.News) throws -> Bool {
        switch news {
        case .list(let nodes, _):
            if awaited == nil { try select(from: nodes) } else { doubt(nodes) }
            _ = roster.replace(with: nodes)
        case .event(let event, _):
            if case .nodeJoined(let node) = event { doubtful.remove(node.id) }
            _ = roster.apply(event, cursor: nil)
        case .background, .resumed: return false
        case .lost: Diagnostic.print("hypi-ls", "the connection to the hypivisor was lost: reconnecting")
        }
        try resolveUnknown()
        return try isDone()
    }

    private func select(from nodes: [Node]) throws {
        // Who is not there yet can become ready, and who is not there is gone; else an unknown word is a mistake.
        if state == .ready || state == .gone {
            unknown = try selection.resolveKnown(in: nodes)
        } else {
            try selection.resolve(in: nodes)
        }
        if state == .gone { unknown = [] }
        awaited = Set(nodes.filter(selection.filter.matches).map(\.id))
    }

    private func resolveUnknown() throws {
        guard !unknown.isEmpty else { return }
        var still = selection
        unknown = try still.resolveKnown(in: roster.nodes)
        selection = still
        awaited?.formUnion(roster.nodes.filter(still.filter.matches).map(\.id))
    }

    private func doubt(_ nodes: [Node]) {
        let present = Set(nodes.map(\.id))
        let missing = (awaited ?? []).subtracting(present).filter { roster[$0] != nil }
        doubtful = doubtful.subtracting(present).union(missing)
        if !doubtful.isEmpty { doubtSink.yield() }
    }

    /// The time of grace is over: who has not come back is gone.
    private func settleDoubts() throws -> Bool {
        doubtful = []
        return try isDone()
    }

    private func isDone() throws -> Bool {
        guard let awaited else { return false }
        let late = awaited.filter { doubtful.contains($0) || !state.isReached(by: roster[$0]) }.sorted()
        if state != .gone, let lost = late.first(where: { !doubtful.contains($0) && roster[$0] == nil }) {
            throw Failure(.failure, "agent \(lost) is gone", hint: "it will not be \(state.rawValue)")
        }
        let names = late + unknown.map(\.text)
        let listed = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
        limit.waits(for: "not \(state.rawValue): \(listed)")
        return names.isEmpty
    }
}
