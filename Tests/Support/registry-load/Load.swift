import HypiNet
import HypiTool
import HypiWire

/// The phases of a measurement, one after the other.
struct Load: Sendable {
    private let site: Site
    private let patience: Duration
    private let pid: Int32?

    init(_ site: Site, patience: Duration, pid: Int32?) {
        self.site = site
        self.patience = patience
        self.pid = pid
    }

    func run(agentCount: Int, subscriberCount: Int, churn: Int, seconds: Int, sample: Int) async throws -> ExitStatus {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            let looking = try await dashboards(subscriberCount, &tasks)
            let idle = ResidentMemory.bytes(of: pid)
            let begin = ContinuousClock.now
            var fleet = try await agents(agentCount, &tasks)
            let here = Set(fleet.map(\.id))
            try await all(looking, see: here)
            let joined = ContinuousClock.now - begin
            try await compare(here)
            let full = ResidentMemory.bytes(of: pid)
            try report(
                "joined",
                [
                    "agents": .int(agentCount), "subscribers": .int(subscriberCount),
                    "seconds": .double(joined.inSeconds),
                    "rss": .int(full), "bytes_per_agent": .int((full - idle) / max(1, agentCount)),
                ])
            if seconds > 0 {
                try await self.churn(&fleet, perMinute: churn, for: seconds, sample: sample, &tasks)
                let left = Set(fleet.map(\.id))
                try await all(looking, see: left)
                try await compare(left)
            }
            try report("done", ["events": .int(looking.map(\.eventCount).max() ?? 0), "rss": .int(memory)])
            for agent in fleet { agent.close() }
            for dashboard in looking { dashboard.close() }
            try await tasks.waitForAll()
        }
        return .success
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
            for (agent, client) in clients { agent.start(client, &tasks) }
            try await withThrowingTaskGroup { group in
                for agent in fresh { group.addTask { try await agent.register() } }
                try await group.waitForAll()
            }
            all += fresh
        }
        return all
    }

    /// Agents come and go at a rate: each second one leaves with a word, the others without.
    private func churn(
        _ fleet: inout [LoadAgent], perMinute: Int, for seconds: Int, sample: Int,
        _ tasks: inout ThrowingTaskGroup<Void, any Error>
    ) async throws {
        let begin = ContinuousClock.now
        let interval = Duration.seconds(60) / perMinute
        var nextSample = begin
        var guests: [LoadAgent] = []
        for number in 0..<(perMinute * seconds / 60) {
            try await Task.sleep(until: begin + interval * number)
            let guest = LoadAgent(id: "guest-\(number)", port: 20_000 + number % 40_000)
            guest.start(try await site.connect(query: "role=agent"), &tasks)
            try await guest.register()
            guests.append(guest)
            if guests.count > 50 { try await guests.removeFirst().leave(politely: number % 2 == 0) }
            if ContinuousClock.now >= nextSample {
                try report("churn", ["seconds": .double((.now - begin).inSeconds), "rss": .int(memory)])
                nextSample += .seconds(sample)
            }
        }
        for guest in guests { try await guest.leave(politely: true) }
    }

    private func all(_ dashboards: [Dashboard], see ids: Set<String>) async throws {
        let limit = TimeLimit("registry-load", patience, waitingFor: "every event at every dashboard")
        defer { limit.stop() }
        for dashboard in dashboards {
            await dashboard.wait(for: ids)
        }
    }

    private func compare(_ ids: Set<String>) async throws {
        let nodes = try await RegistryClient.with(site.url, options: site.options, on: site.group) { client in
            try await client.listNodes()
        }
        let listed = Set(nodes.filter { $0.status == .active }.map(\.id))
        guard listed == ids else {
            throw Failure(.failure, "list_nodes is wrong: \(listed.count) instead of \(ids.count)")
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
