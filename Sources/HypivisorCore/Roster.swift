import HypiNet
import HypiWire
import NIOCore

/// The registry at work: its state, its log, its clock, and everybody who listens.
///
/// An actor on one event loop. Connections live on other loops and post to it; posts of one connection keep their
/// order. Events go out once per loop, not once per subscriber, and those of one turn of the loop in one write.
///
/// ```
/// change -> Registry -> events -> EventLog (encoded once) -> pending -> loops -> subscribers
/// ```
actor Roster {
    /// The loop everything here happens on.
    nonisolated let eventLoop: any EventLoop
    private let clock: @Sendable () -> Registry.Moment
    private let ttl: TimeAmount
    private let rejoined: NIODeadline
    private let onEvent: @Sendable ([UInt8]) -> Void
    private var registry: Registry
    private var log: EventLog
    /// Everybody who gets roster events, by the loop they live on.
    private var subscribers: [ObjectIdentifier: [Subscriber]] = [:]
    /// Connections that have registered a node.
    private var agents: [ConnectionID: Subscriber] = [:]
    /// Registrations that wait for a sign of life of the connection that has their id.
    private var claims: [ConnectionID: [EventLoopPromise<Bool>]] = [:]
    /// How many of those are whose.
    private var claimants: [ConnectionID: Int] = [:]
    private var tunnels: TunnelDesk
    private var arrivals = Arrivals()
    private var pending = ByteBuffer()
    private var expiry: NodeExpiry?
    /// Nobody is told anything any more: the loops of the subscribers are about to end.
    private var isOver = false

    /// The loop is the executor, so that loop code enters without a hop.
    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// An empty roster.
    ///
    /// - Parameters:
    ///   - eventLoop: Where it lives.
    ///   - ttl: How long offline nodes stay.
    ///   - rejoinTime: How long from now agents of a predecessor may take to come back.
    ///   - clock: The time.
    ///   - onEvent: Gets every roster event as JSON text, on the loop; must not block.
    init(
        on eventLoop: any EventLoop, ttl: TimeAmount, rejoinTime: TimeAmount,
        clock: @escaping @Sendable () -> Registry.Moment, onEvent: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.eventLoop = eventLoop
        self.ttl = ttl
        rejoined = .now() + rejoinTime
        self.clock = clock
        self.onEvent = onEvent
        registry = Registry(ttl: ttl)
        log = EventLog(boot: String(UInt64.random(in: .min ... .max), radix: 16))
        tunnels = TunnelDesk(eventLoop: eventLoop)
    }

    /// Does something with the state and tells the result; for code on other loops.
    nonisolated func submit<Result: Sendable>(
        _ body: @escaping @Sendable (isolated Roster) throws -> Result
    ) -> EventLoopFuture<Result> {
        eventLoop.submit { try self.assumeIsolated { try body($0) } }
    }

    /// Does something with the state and tells the result on a loop; for code on that loop.
    nonisolated func submit<Result: Sendable>(
        for asker: any EventLoop, _ body: @escaping @Sendable (isolated Roster) throws -> Result
    ) -> EventLoopFuture<Result> {
        let promise = asker.makePromise(of: Result.self)
        eventLoop.execute {
            promise.completeWith(Swift.Result { try self.assumeIsolated { try body($0) } })
        }
        return promise.futureResult
    }

    /// Does something with the state; for code on other loops that waits for nothing.
    nonisolated func post(_ body: @escaping @Sendable (isolated Roster) -> Void) {
        eventLoop.execute { self.assumeIsolated { body($0) } }
    }

    // MARK: Connections

    /// A connection is there: it gets `init`, and from then on every event.
    ///
    /// - Parameters:
    ///   - subscriber: The connection.
    ///   - since: The cursor it came back with.
    ///   - isAgent: Whether it said that it is an agent, which gets an empty `init` and no events.
    func connect(_ subscriber: Subscriber, since: String?, isAgent: Bool) {
        guard !isAgent else { return subscriber.send(.initial(nodes: [], resumed: false), cursor: log.cursor) }
        // Events of this turn are in the snapshot already, and must not follow it.
        flush()
        if let since, let missed = log.frames(since: since) {
            // The cursor stays the client's own until it has the events behind it.
            subscriber.send(.initial(nodes: [], resumed: true), cursor: since)
            let frames = missed.reduce(into: ByteBuffer()) { $0.writeImmutableBuffer($1) }
            if frames.readableBytes > 0 { subscriber.eventLoop.execute { subscriber.write(frames) } }
        } else {
            subscriber.greet(with: registry.snapshots, cursor: log.cursor)
        }
        subscribers[ObjectIdentifier(subscriber.eventLoop), default: []].append(subscriber)
    }

    /// A connection has ended.
    func disconnect(_ subscriber: Subscriber) {
        unsubscribe(subscriber)
        claimants[subscriber.id] = nil
        guard agents.removeValue(forKey: subscriber.id) != nil else { return }
        tunnels.abandon(agent: subscriber.id)
        publish(registry.disconnect(subscriber.id, at: clock()))
        for claim in claims.removeValue(forKey: subscriber.id) ?? [] { claim.succeed(false) }
    }

    /// A connection gave a sign of life.
    func heard(_ connection: ConnectionID) {
        registry.heard(connection, at: clock())
        for claim in claims.removeValue(forKey: connection) ?? [] { claim.succeed(true) }
    }

    /// Whether a connection lives: true with its next sign of life, false once it has ended.
    ///
    /// Requests wait for it, so what bounds those bounds it.
    private func sign(of subscriber: Subscriber) -> EventLoopFuture<Bool> {
        let promise = eventLoop.makePromise(of: Bool.self)
        claims[subscriber.id, default: []].append(promise)
        subscriber.probe()
        return promise.futureResult
    }

    private func unsubscribe(_ subscriber: Subscriber) {
        let key = ObjectIdentifier(subscriber.eventLoop)
        subscribers[key]?.removeAll { $0.id == subscriber.id }
        if subscribers[key]?.isEmpty == true { subscribers[key] = nil }
    }

    // MARK: Nodes

    /// Registers a node; from then on its connection gets answers and agent commands only.
    ///
    /// If another connection has the id, that one is asked for a sign of life: it keeps the id if it gives one, and loses
    /// it when it has ended, by its heartbeat at the latest.
    ///
    /// - Returns: Done when it is registered; fails with ``RegistryFault``.
    func register(_ node: Node, instance: String?, by subscriber: Subscriber) -> EventLoopFuture<Void> {
        do throws(RegistryFault) {
            try enter(node, instance: instance, by: subscriber)
            return eventLoop.makeSucceededVoidFuture()
        } catch {
            guard error.code == .idInUse, let owner = registry[node.id]?.owner, let holder = agents[owner] else {
                return eventLoop.makeFailedFuture(error)
            }
            claimants[subscriber.id, default: 0] += 1
            return sign(of: holder).flatMapThrowing { isAlive in
                try self.assumeIsolated { roster in
                    // The claimant may have gone meanwhile; nobody would ever say so of what it registers.
                    guard let count = roster.claimants[subscriber.id] else { throw error }
                    roster.claimants[subscriber.id] = count > 1 ? count - 1 : nil
                    if isAlive { throw error }
                    try roster.enter(node, instance: instance, by: subscriber)
                }
            }
        }
    }

    private func enter(_ node: consuming Node, instance: String?, by subscriber: Subscriber) throws(RegistryFault) {
        let (id, spawnID) = (node.id, node.spawnID)
        node.address = subscriber.address
        let events = try registry.register(node, instance: instance, by: subscriber.id, at: clock())
        if agents.updateValue(subscriber, forKey: subscriber.id) == nil {
            // What happened before was for it; its own arrival is not.
            flush()
            unsubscribe(subscriber)
        }
        publish(events)
        arrivals.arrived(id, spawnID: spawnID)
    }

    /// Changes a node.
    func update(_ id: String, _ changes: JSONObject, by connection: ConnectionID) throws(RegistryFault) {
        publish(try registry.update(id, changes, by: connection, at: clock()))
    }

    /// Removes a node.
    ///
    /// - Returns: Whether there was one.
    func deregister(_ id: String, by connection: ConnectionID, isAgent: Bool) throws(RegistryFault) -> Bool {
        let isAgent = isAgent || agents[connection] != nil
        let events = try registry.deregister(id, by: connection, isAgent: isAgent)
        publish(events)
        return !events.isEmpty
    }

    /// Asks an agent to stop.
    func stop(_ id: String, force: Bool) throws(RegistryFault) {
        try agent(of: id).send(.stopAgent(force: force))
    }

    /// The roster.
    var snapshots: [NodeSnapshot] { registry.snapshots }

    /// How many nodes there are.
    var count: Int { registry.count }

    private func agent(of id: String) throws(RegistryFault) -> Subscriber {
        guard let entry = registry[id] else { throw .unknownNode(id) }
        guard let owner = entry.owner, let agent = agents[owner] else {
            throw RegistryFault(.offline, "agent '\(id)' is offline")
        }
        return agent
    }

    // MARK: Ways to an agent

    /// Tells when an agent is there, or will not come: those of a predecessor are back within moments of our own start.
    ///
    /// - Returns: Done at once where the agent is known or our start is longer ago.
    func presence(of id: String) -> EventLoopFuture<Void> {
        guard registry[id] == nil, NIODeadline.now() < rejoined else { return eventLoop.makeSucceededVoidFuture() }
        return arrival(.agent(id), until: rejoined).map { _ in }
    }

    /// How an agent's endpoint is reached; asks the agent for a tunnel where that is the way.
    ///
    /// - Parameters:
    ///   - id: The agent.
    ///   - subprotocol: What the viewer has offered.
    /// - Returns: The way.
    /// - Throws: ``RegistryFault`` with code `not_found` or `offline`.
    func way(to id: String, subprotocol: String?) throws(RegistryFault) -> WayToAgent {
        let agent = try agent(of: id)
        guard let entry = registry[id] else { throw .unknownNode(id) }
        guard entry.node.tunnel != true else {
            let (tunnel, end) = tunnels.open(agent: agent.id) { id in self.assumeIsolated { $0.tunnels.giveUp(id) } }
            agent.send(.openTunnel(id: tunnel, subprotocol: subprotocol))
            return .tunnel(end)
        }
        let host = entry.node.address.flatMap { $0.isEmpty ? nil : $0 } ?? entry.node.machine
        return .dial(host: host, port: entry.node.port, pin: entry.node.tlsPin, isVersion1: entry.instance == nil)
    }

    /// An agent has dialled in to open a tunnel.
    ///
    /// - Returns: Who waits for it; `nil` if nobody does.
    func claim(tunnel: String) -> EventLoopPromise<RelayEnd>? {
        tunnels.claim(tunnel)
    }

    // MARK: Spawning

    /// The node that came from an idempotency key, and whether there is only one that is stopping.
    func node(withKey key: String) -> (node: Node?, isStopping: Bool) {
        let nodes = registry.snapshots.lazy.map(\.node).filter { $0.key == key }
        let node = nodes.first { $0.activity != .stopping }
        return (node, node == nil && !nodes.isEmpty)
    }

    /// The living agents of a machine that work on a session file, by their files.
    func sessionFiles(on machine: String) -> [(id: String, file: String)] {
        registry.snapshots.lazy.map(\.node).filter { $0.machine == machine && $0.status == .active }
            .compactMap { node in node.sessionFile.map { (node.id, $0) } }
    }

    /// How many agents on a machine came from a spawn request.
    func spawnedCount(on machine: String) -> Int {
        registry.snapshots.count { $0.node.spawnID != nil && $0.node.machine == machine }
    }

    /// How many agents live in which folder of a machine.
    func agentsByFolder(on machine: String) -> [String: Int] {
        registry.snapshots.lazy.map(\.node).reduce(into: [:]) { counts, node in
            if node.machine == machine { counts[node.cwd, default: 0] += 1 }
        }
    }

    /// Tells when the agent of a spawn request has registered, or that it has not within a time.
    func arrival(ofSpawn spawnID: String, within limit: TimeAmount) -> EventLoopFuture<Bool> {
        if registry.snapshots.contains(where: { $0.node.spawnID == spawnID }) {
            return eventLoop.makeSucceededFuture(true)
        }
        return arrival(.spawn(spawnID), until: .now() + limit)
    }

    private func arrival(_ expected: Arrivals.Expected, until deadline: NIODeadline) -> EventLoopFuture<Bool> {
        let arrival = arrivals.wait(for: expected, on: eventLoop)
        let timer = eventLoop.scheduleTask(deadline: deadline) {
            self.assumeIsolated { $0.arrivals.giveUp(expected) }
        }
        arrival.whenComplete { _ in timer.cancel() }
        return arrival
    }

    // MARK: Events

    private func publish(_ events: [RegistryEvent]) {
        guard !isOver else { return }
        armExpiry()
        guard !events.isEmpty else { return }
        if pending.readableBytes == 0 { post { $0.flush() } }
        for event in events {
            let entry = log.append(event)
            pending.writeImmutableBuffer(entry.frame)
            onEvent(entry.text)
        }
    }

    /// Hands the events of this turn to every loop that has subscribers.
    private func flush() {
        guard pending.readableBytes > 0 else { return }
        let frames = pending
        pending = ByteBuffer()
        for group in subscribers.values {
            group.first?.eventLoop.execute {
                for subscriber in group { subscriber.write(frames) }
            }
        }
    }

    // MARK: Expiry

    /// No change makes a node due earlier than one TTL from now.
    private func armExpiry() {
        let expiry = expiry ?? NodeExpiry(eventLoop: eventLoop) { self.assumeIsolated { $0.expire() } }
        self.expiry = expiry
        if registry.count > 0 { expiry.ensure(by: clock().instant + ttl) }
    }

    private func expire() {
        expiry?.set(nil)
        let events = registry.expire(at: clock())
        expiry?.set(registry.nextDue)
        publish(events)
    }

    /// Stops the timers; for the end.
    func shutDown() {
        isOver = true
        pending = ByteBuffer()
        expiry?.set(nil)
        expiry = nil
        tunnels.abandonAll()
        arrivals.giveUpAll()
        for claim in claims.values.joined() { claim.fail(RegistryFault(.busy, "hypivisor stops")) }
        claims = [:]
    }
}
