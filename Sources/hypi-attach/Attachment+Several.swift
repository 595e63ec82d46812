import ChatCore
import HypiNet
import HypiTool
import HypiWire

/// What takes several targets: `--stop` and `--resume`.
extension Attachment {
    /// Resolves every target, then acts on all of them at once: a wrong word does nothing to anyone.
    func actOnSeveral() async throws -> ExitStatus {
        let limit = try options.limit(environment)
        let agents = try await Deadline.within(limit) { try await named() }
        guard agents.count != 1 else {
            try await Deadline.within(limit) { try await act(on: agents[0]) }
            return .success
        }
        return try await withThrowingTaskGroup(of: Bool.self) { tasks in
            var rest = agents[...]
            for _ in 0..<options.jobs {
                if let agent = rest.popFirst() { tasks.addTask { try await succeeds(on: agent, within: limit) } }
            }
            var status = ExitStatus.success
            for try await hasSucceeded in tasks {
                if !hasSucceeded { status = .failure }
                if let agent = rest.popFirst() { tasks.addTask { try await succeeds(on: agent, within: limit) } }
            }
            return status
        }
    }

    private func named() async throws -> [TargetChoice.Named] {
        guard !options.targets.isEmpty else { return [try await choice(nil).named()] }
        var agents: [TargetChoice.Named] = []
        for word in options.targets {
            agents += word == "-" ? try await choice(word).namedOnInput() : [try await choice(word).named()]
        }
        var seen: Set<String> = []
        return agents.filter { seen.insert($0.name).inserted }
    }

    private func choice(_ word: String?) -> TargetChoice {
        TargetChoice(word, endpoint: endpoint, environment: environment, group: group)
    }

    private func succeeds(on agent: TargetChoice.Named, within limit: Duration?) async throws -> Bool {
        do {
            try await Deadline.within(limit) { try await act(on: agent) }
            return true
        } catch let error as CancellationError {
            throw error
        } catch {
            output.note("\(agent.name): \(Failure(attaching: error).line)")
            return false
        }
    }

    private func act(on agent: TargetChoice.Named) async throws {
        if options.resume {
            if try await !AgentResume.resume(try choice(nil).endpoint(of: agent), on: group) {
                output.note("\(agent.name): no guard has stopped this agent")
            }
            return
        }
        switch agent {
        case .direct(let endpoint): try await AgentStop.stop(endpoint, waits: !options.noWait, on: group)
        case .node(let node): try await choice(nil).stop(node, waits: !options.noWait)
        }
    }
}
