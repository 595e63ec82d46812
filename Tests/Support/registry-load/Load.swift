import HypiNet
import HypiTestSupport
import HypiTool
import HypiWire

/// The phases of a measurement, one after the other.
struct Load: Sendable {
    /// How much there is of everything.
    struct Size: Sendable {
        /// Agents that stay.
        var agents: Int
        /// Dashboards that look on.
        var dashboards: Int
        /// Joins, and as many leaves, a minute.
        var churn: Int
        /// How long they come and go.
        var seconds: Int
        /// Seconds between two samples of memory.
        var sample: Int
        /// Updates of agents that stay.
        var updates: Int
    }

    private let site: Site
    private let patience: Duration
    private let pid: Int32?

    init(_ site: Site, patience: Duration, pid: Int32?) {
        self.site = site
        self.patience = patience
        self.pid = pid
    }

    func run(_ size: Size) async throws -> ExitStatus {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let looking = try await dashboards(size.dashboards, &tasks)
            let idle = memory
            let begin = ContinuousClock.now
            let fleet = try await agents(size.agents, &tasks)
            let ids = Set(fleet.map(\.id))
            var truth = Ledger()
            for agent in fleet { truth.enter(.joined, agent.id) }
            try await all(looking, read: truth)
            let joined = ContinuousClock.now - begin
            try await compare(ids)
            let full = memory
            try report(
                "joined",
                [
                    "agents": .int(size.agents), "subscribers": .int(size.dashboards),
                    "seconds": .double(joined.inSeconds), "rss": .int(full),
                    "bytes_per_agent": .int((full - idle) / max(1, size.agents)),
                ])
            if size.seconds > 0 {
                try await churn(size, &truth)
                try await all(looking, read: truth)
                try await compare(ids)
            }
            if size.updates > 0 { try await update(fleet, size.updates) }
            try report("done", ["events": .int(truth.eventCount), "rss": .int(memory)])
            for agent in fleet { agent.close() }
            for dashboard in looking { dashboard.close() }
            try await tasks.waitForAll()
        }
        return .success
    }

    private func update(_ fleet: [LoadAgent], _ count: Int) async throws {
        try await Updates.waitForWord()
        let begin = ContinuousClock.now
        try await Updates(fleet).send(count)
        let seconds = (ContinuousClock.now - begin).inSeconds
        try report("updated", ["updates": .int(count), "seconds": .double(seconds), "rss": .int(memory)])
        try await Updates.waitForWord()
    }

    private var memory: Int { ResidentMemory.bytes(of: pid) }

    private func dashboards(
        _ count: Int, _ tasks: inout ThrowingTaskGroup<Void, any Error>
    ) async throws -> [Dashboard] {
        var all: [Dashboard] = []
        for _ in 0..<count {
            let dashboard = Dashboard(try await site.connect(keepsEvents: true))
            tasks.addTask { try await dashboard.run() }
            all.append(dashboard)
        }
        return all
    }

    /// Joins all of them, so many at a time.
    private func agents(_ count: Int, _ tasks: inout ThrowingTaskGroup<Void, any Error>) async throws -> [LoadAgent] {
        var all: [LoadAgent] = []
        while all.count < count {
            let fresh = (all.count..<min(count, all.count + 64)).map { LoadAgent(id: "load-\($0)", port: 1 + $0) }
            let site = site
            let clients = try await withThrowingTaskGroup(of: (LoadAgent, RegistryClient).self) { group in
                for agent in fresh { group.addTask { (agent, try await site.connect(query: "role=agent")) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for (agent, client) in clients {
                agent.start(client)
                tasks.addTask { try await agent.run() }
            }
            try await withThrowingTaskGroup { group in
                for agent in fresh { group.addTask { try await agent.register() } }
                try await group.waitForAll()
            }
            all += fresh
        }
        return all
    }

    /// Guests come at a rate, whatever those before them are waiting for; each stays for a while and leaves.
    private func churn(_ size: Size, _ truth: inout Ledger) async throws {
        let begin = ContinuousClock.now
        let interval = Duration.seconds(60) / size.churn
        let count = size.churn * size.seconds / 60
        let slowest = try await withThrowingTaskGroup(of: Duration.self) { visits in
            visits.addTask { try await self.takeSamples(every: size.sample, from: begin) }
            for number in 0..<count {
                // The rate that was asked for.
                try await Task.sleep(until: begin + interval * number)
                let visit = Visit(number: number, site: site, due: begin + interval * number)
                visit.enter(into: &truth)
                visits.addTask { try await visit.run() }
            }
            let paced = ContinuousClock.now - begin
            var slowest = Duration.zero
            for _ in 0..<count { slowest = max(slowest, try await visits.next() ?? .zero) }
            visits.cancelAll()
            return (paced, slowest)
        }
        try report(
            "churned",
            [
                "joins": .int(count), "leaves": .int(count),
                "per_minute": .double((Double(count) / slowest.0.inSeconds * 60).rounded()),
                "slowest_join_seconds": .double(slowest.1.inSeconds),
            ])
    }

    /// Reports memory until it is cancelled.
    private func takeSamples(every seconds: Int, from begin: ContinuousClock.Instant) async throws -> Duration {
        var next = begin
        while !Task.isCancelled {
            try report("churn", ["seconds": .double((.now - begin).inSeconds.rounded()), "rss": .int(memory)])
            next += .seconds(seconds)
            // Memory has no event: it is looked at so often as was asked for, until the churn is over.
            guard (try? await Task.sleep(until: next)) != nil else { break }
        }
        return .zero
    }

    /// Waits until every dashboard has read as many events as there were, and compares them one by one.
    private func all(_ dashboards: [Dashboard], read truth: Ledger) async throws {
        let limit = TimeLimit("registry-load", patience, waitingFor: "every event at every dashboard")
        defer { limit.stop() }
        for dashboard in dashboards {
            await dashboard.wait(for: truth.eventCount)
        }
        for (number, dashboard) in dashboards.enumerated() where dashboard.ledger != truth {
            let (count, example) = dashboard.ledger.difference(from: truth)
            throw Failure(
                .failure, "dashboard \(number) was told wrong things about \(count) agents, such as \(example)")
        }
    }

    private func compare(_ ids: Set<String>) async throws {
        let nodes = try await RegistryClient.with(site.url, options: site.options, on: site.group) { client in
            try await client.listNodes()
        }
        let listed = Set(nodes.filter { $0.status == .active }.map(\.id))
        guard listed == ids, nodes.count == ids.count else {
            throw Failure(.failure, "list_nodes is wrong: \(nodes.count) instead of \(ids.count)")
        }
    }

    private func report(_ phase: String, _ fields: JSONObject) throws {
        var record: JSONObject = ["phase": .string(phase)]
        for field in fields.members { record[field.key] = field.value }
        try StandardOutput.write(record: .object(record))
    }
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}
