import DequeModule
import HypiNet
import HypiWire
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Keeps the agent registered: connects, registers, sends what changes, and comes back after every loss.
///
/// Nothing that happens here can touch pi or local viewers: the worst is that the roster does not show the agent.
final class Registration: Sendable {
    /// What a hypivisor asks of the agent.
    struct Requests: Sendable {
        /// Serve a viewer over a connection that we open ourselves.
        var openTunnel: @Sendable (WebSocketURL, WebSocketClient.Options, _ subprotocol: String?) -> Void
        /// A person wants the agent to end.
        var stop: @Sendable (_ force: Bool) -> Void
    }

    /// Updates in any one second: the first after a quiet time goes at once.
    private static let updatesPerSecond = 4
    /// Updates in any one second with those that say that work has begun or ended.
    private static let urgentUpdatesPerSecond = 20
    /// The time a hypivisor has to take us out of its roster when we end.
    private static let leaveLimit = Duration.seconds(2)

    let report: NodeReport
    /// Random for each process: tells a second claimant of our id from ourselves after a lost connection.
    let instance: String
    let registry: @Sendable () throws -> RegistryTarget
    let firstDelay: Duration
    let requests: Requests
    let group: any EventLoopGroup
    let logger: Logger
    /// The time that whoever starts the agent waits for its first registration.
    private static let firstLimit = TimeAmount.seconds(2)

    private let absence: Absence
    private let firstAttempt: EventLoopPromise<Void>
    /// The connection on which we are registered.
    private let current = NIOLockedValueBox<RegistryClient?>(nil)

    init(
        report: NodeReport, instance: String,
        registry: @escaping @Sendable () throws -> RegistryTarget,
        announcements: Absence.Watch? = nil, firstDelay: Duration, requests: Requests, group: any EventLoopGroup,
        logger: Logger
    ) {
        self.report = report
        self.instance = instance
        self.registry = registry
        self.firstDelay = firstDelay
        self.requests = requests
        self.group = group
        self.logger = logger
        absence = Absence(watch: announcements, logger: logger)
        firstAttempt = group.next().makePromise()
    }

    deinit {
        firstAttempt.succeed()
    }

    /// Returns when the first attempt has registered the agent or failed, after ``firstLimit`` at the latest.
    ///
    /// Who is told that an agent is ready may look for it in the list.
    func waitForFirstAttempt() async {
        let (firstAttempt, loop) = (firstAttempt, firstAttempt.futureResult.eventLoop)
        // The limit itself: a hypivisor that does not answer holds up no start.
        let timer = loop.scheduleTask(in: Self.firstLimit) { firstAttempt.succeed() }
        defer { timer.cancel() }
        // The promise only succeeds.
        try? await firstAttempt.futureResult.get()
    }

    /// Takes the node out of the roster, if it is in one; then ``run()`` may be cancelled.
    ///
    /// A hypivisor that does not answer holds us up for ``leaveLimit`` at most.
    func leave() async {
        guard let client = current.withLockedValue({ $0 }) else { return }
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.deregister(client) }
            tasks.addTask {
                // Cancelled when the answer came in time.
                guard (try? await Task.sleep(for: Self.leaveLimit)) != nil else { return }
                await client.close()
            }
            await tasks.next()
            tasks.cancelAll()
        }
    }

    private func deregister(_ client: RegistryClient) async {
        do {
            _ = try await client.request("deregister", ["id": .string(report.current.id)])
        } catch {
            // The registry sees the connection end and lets the entry expire.
            logger.debug("not deregistered: \(Self.words(error))")
        }
        await client.close()
    }

    /// Stays registered until it is cancelled.
    func run() async {
        var backoff = Backoff(first: firstDelay)
        var generator = SystemRandomNumberGenerator()
        var told: Set<String> = []
        defer { absence.end() }
        await absence.begin()
        while !Task.isCancelled {
            do {
                try await stay(try registry()) {
                    absence.end()
                    backoff.reset()
                    told = []
                    firstAttempt.succeed()
                }
            } catch is CancellationError {
                return
            } catch {
                // Each reason once per outage: a hypivisor that is down for a night must not fill a log.
                let words = Self.words(error)
                firstAttempt.succeed()
                if told.count < Limits.outageReasons, told.insert(words).inserted {
                    logger.warning("not registered: \(words)")
                }
            }
            await absence.begin()
            do {
                if try await absence.wait(backoff.next(using: &generator)) { backoff.reset() }
            } catch {
                return
            }
        }
    }

    private func stay(_ target: RegistryTarget, registered: () -> Void) async throws {
        let (url, options) = (target.url, target.options)
        report.change { $0.tunnel = target.isLocal ? nil : true }
        let client = try await RegistryClient.connect(
            to: url.with(path: url.path, query: "role=agent"), options: options, keepsEvents: true, on: group)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            tasks.addTask { await self.listen(client, url, options) }
            defer { current.withLockedValue { $0 = nil } }
            do {
                let sent = try await register(client)
                current.withLockedValue { $0 = client }
                registered()
                tasks.addTask { try await self.sendChanges(client, since: sent) }
                // Whichever ends first ends the registration: usually the connection.
                try await tasks.next()
            } catch {
                await client.close()
                throw error
            }
            await client.close()
            tasks.cancelAll()
        }
    }

    private func register(_ client: RegistryClient) async throws -> Node {
        let node = report.current
        guard var params = node.json.object else { return node }
        params["instance"] = .string(instance)
        _ = try await client.request("register", params)
        logger.info("registered", metadata: ["id": "\(node.id)"])
        return node
    }

    private func sendChanges(_ client: RegistryClient, since first: Node) async throws {
        var sent = first
        var times: Deque<ContinuousClock.Instant> = []
        // Taken before the node is looked at, so that no change falls between.
        var signals = report.changes().makeAsyncIterator()
        repeat {
            let node = report.current
            var changes = NodeReport.difference(from: sent, to: node)
            guard !changes.members.isEmpty else { continue }
            changes["id"] = .string(node.id)
            _ = try await client.request("update", changes)
            sent = node
            times.append(.now)
            times.removeAll { $0 <= .now - .seconds(1) }
            if times.count >= Self.urgentUpdatesPerSecond {
                // The limit itself: what changes meanwhile goes in one.
                try await Task.sleep(until: times[0] + .seconds(1), clock: .continuous)
            } else if times.count >= Self.updatesPerSecond {
                let due = times[times.count - Self.updatesPerSecond] + .seconds(1)
                try await wait(until: due, orActivityOtherThan: node.activity)
            }
        } while await signals.next() != nil
    }

    /// Lets changes gather, unless work begins or ends: whoever has just got its prompt accepted must not read in the
    /// roster that the agent is idle.
    private func wait(
        until instant: ContinuousClock.Instant, orActivityOtherThan activity: Node.Activity?
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            // The limit itself; cancelled when work begins or ends first.
            tasks.addTask { try await Task.sleep(until: instant, clock: .continuous) }
            tasks.addTask { await self.report.activityChanges(from: activity) }
            try await tasks.next()
            tasks.cancelAll()
        }
    }

    private func listen(_ client: RegistryClient, _ url: WebSocketURL, _ options: WebSocketClient.Options) async {
        for await event in client.events {
            switch event.event {
            case .openTunnel(let id, let subprotocol):
                requests.openTunnel(url.with(path: "/ws/tunnel/\(PercentCoding.encode(id))"), options, subprotocol)
            case .stopAgent(let force): requests.stop(force)
            default: break
            }
        }
    }

    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as RegistryFault: error.message
        case let error as MessageStream.ConnectionLost:
            "connection lost (\(error.closure.code.rawValue) \(error.closure.reason))"
        default: "\(error)"
        }
    }
}
