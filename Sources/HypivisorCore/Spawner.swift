import HypiNet
import HypiWire
import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Starts agents, and never holds one.
///
/// An actor on the roster's loop. The requests run in ``run()``, a task of whoever runs the registry; a key makes one
/// idempotent: who comes while it runs waits for the same answer, who comes later gets the living agent.
actor Spawner {
    /// How agents are started.
    struct Settings: Sendable {
        /// Where they may be.
        var roots: Roots
        /// The program that starts one, with its first arguments; `nil` if there is none.
        var command: [String]?
        /// Its environment.
        var environment: [String: String]
        /// Whether spawning is allowed at all.
        var isEnabled: Bool
        /// Which commands a request may bring along.
        var permissions: SpawnPermissions
        /// How many agents from spawn requests may live on this machine.
        var agentLimit: Int
        /// How long agents of a predecessor have to come back before a key counts as unknown.
        var rejoinTime: TimeAmount
        /// How long an agent may take to be ready.
        var startTime: Duration
        /// How long a request waits for the registration of an agent that is ready.
        var registrationTime: TimeAmount
        /// This machine's name, as its agents register it.
        var machine: String
    }

    private struct Job: Sendable {
        var request: SpawnRequest
        var owner: PeerOwner
        var promise: EventLoopPromise<SpawnedAgent>
    }

    /// What a spawn request still has to wait for.
    private enum Claim {
        /// Nobody has the key: start one.
        case mine
        /// The key's agent is there.
        case found(SpawnedAgent)
        /// Somebody is starting it.
        case underWay(EventLoopFuture<SpawnedAgent>)
    }

    private nonisolated let eventLoop: any EventLoop
    private nonisolated let jobs: AsyncStream<Job>
    private nonisolated let queue: AsyncStream<Job>.Continuation
    private let settings: Settings
    private let roster: Roster
    private let threads: NIOThreadPool
    private let logger: Logger
    private let registryURL: EventLoopFuture<WebSocketURL>
    private let rejoined: NIODeadline
    private var underWay: [String: EventLoopPromise<SpawnedAgent>] = [:]
    private var underWayCount = 0
    /// Agents that were started for a key and may not have registered yet.
    private var started: [String: SpawnedAgent] = [:]

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    /// A spawner.
    ///
    /// - Parameters:
    ///   - settings: How agents are started.
    ///   - roster: Who lives.
    ///   - registryURL: Where agents register, once it is known.
    ///   - threads: For what blocks on the disk.
    ///   - logger: For what happened.
    init(
        _ settings: Settings, roster: Roster, registryURL: EventLoopFuture<WebSocketURL>, threads: NIOThreadPool,
        logger: Logger
    ) {
        self.settings = settings
        self.roster = roster
        self.registryURL = registryURL
        self.threads = threads
        self.logger = logger
        eventLoop = roster.eventLoop
        rejoined = .now() + settings.rejoinTime
        // Each connection has a bounded number of requests under way, so this is bounded too.
        (jobs, queue) = AsyncStream.makeStream(of: Job.self)
    }

    /// Takes a request.
    ///
    /// - Parameters:
    ///   - request: What is asked for.
    ///   - owner: Whose program asks.
    ///   - eventLoop: The loop of the answer.
    /// - Returns: The agent once it is ready; fails with ``RegistryFault``.
    nonisolated func submit(
        _ request: SpawnRequest, from owner: PeerOwner, on eventLoop: any EventLoop
    ) -> EventLoopFuture<SpawnedAgent> {
        let promise = eventLoop.makePromise(of: SpawnedAgent.self)
        if case .terminated = queue.yield(Job(request: request, owner: owner, promise: promise)) {
            promise.fail(RegistryFault(.busy, "hypivisor stops"))
        }
        return promise.futureResult
    }

    /// Serves requests until ``stop()`` or the end of the task; those under way are then given up, their agents are not.
    ///
    /// - Parameter farewell: What is to be done beside giving up.
    nonisolated func run(farewell: @Sendable () async -> Void) async {
        await withDiscardingTaskGroup { tasks in
            for await job in jobs {
                tasks.addTask { await self.serve(job) }
            }
            queue.finish()
            tasks.cancelAll()
            await farewell()
        }
    }

    /// Takes no more requests and ends ``run(farewell:)``.
    nonisolated func stop() {
        queue.finish()
    }

    private func serve(_ job: Job) async {
        do {
            job.promise.succeed(try await spawn(job.request, for: job.owner))
        } catch {
            logger.info("agent not started", metadata: ["code": "\(error.code.rawValue)", "why": "\(error.message)"])
            job.promise.fail(error)
        }
    }

    // MARK: One request

    private func spawn(
        _ request: SpawnRequest, for owner: PeerOwner
    ) async throws(RegistryFault) -> SpawnedAgent {
        guard settings.isEnabled else {
            throw RegistryFault(.forbidden, "this hypivisor does not start agents (--no-spawn)")
        }
        let request = try await permitted(request, for: owner)
        let parent = try await onThread { [roots = settings.roots] () throws(RegistryFault) in
            try roots.open(request.path)
        }
        guard let key = request.key else { return try await launch(request, in: parent) }
        switch try await claim(key) {
        case .found(let agent): return agent.existing
        case .underWay(let future): return try await Self.value(of: future).existing
        case .mine: return try await launch(request, key: key, in: parent)
        }
    }

    /// The request with its hook's command, if all that it brings along is allowed.
    private func permitted(
        _ request: SpawnRequest, for owner: PeerOwner
    ) async throws(RegistryFault) -> SpawnRequest {
        let permissions = settings.permissions
        if !permissions.allowsArguments(of: request) {
            try await onThread { () throws(RegistryFault) in
                guard !owner.isOwnUser else { return }
                throw RegistryFault(
                    .forbidden,
                    "arguments for pi are taken from this user on this machine alone: set 'allow-args = yes' "
                        + "in hypivisor's config")
            }
        }
        return try permissions.resolvingHook(of: request)
    }

    /// Finds out whose a key is; nothing is awaited between the last look and the claim.
    private func claim(_ key: String) async throws(RegistryFault) -> Claim {
        await waitForPredecessor()
        let (node, isStopping) = await roster.node(withKey: key)
        if let node, isAlive(node) {
            return .found(SpawnedAgent(path: node.cwd, spawnID: node.spawnID, pid: node.pid, id: node.id))
        }
        if let promise = underWay[key] { return .underWay(promise.futureResult) }
        started = started.filter { Self.isRunning($0.value.pid) }
        if isStopping { started[key] = nil }
        if let agent = started[key] { return .found(agent) }
        underWay[key] = eventLoop.makePromise(of: SpawnedAgent.self)
        return .mine
    }

    private func launch(
        _ request: SpawnRequest, key: String, in parent: Folder
    ) async throws(RegistryFault) -> SpawnedAgent {
        do {
            let agent = try await launch(request, in: parent)
            started[key] = agent
            underWay.removeValue(forKey: key)?.succeed(agent)
            return agent
        } catch {
            underWay.removeValue(forKey: key)?.fail(error)
            throw error
        }
    }

    private func launch(_ request: SpawnRequest, in parent: Folder) async throws(RegistryFault) -> SpawnedAgent {
        guard let command = settings.command else {
            throw RegistryFault(.spawnFailed, "pi-socket was found neither beside hypivisor nor in PATH")
        }
        underWayCount += 1
        defer { underWayCount -= 1 }
        let living = await roster.spawnedCount(on: settings.machine)
        guard living + underWayCount <= settings.agentLimit else {
            throw RegistryFault(.busy, "\(settings.agentLimit) agents run already (--max-agents)")
        }
        try await refuseSharing(request.resume)
        let folder = try await makeFolder(request.newFolder, in: parent)
        let spawnID = String(UInt64.random(in: .min ... .max), radix: 16)
        let url = try await Self.value(of: registryURL)
        let launcher = Launcher(
            command: command, environment: settings.environment, limit: settings.startTime)
        let ready = try await launcher.start(
            Self.arguments(request, url: url, spawnID: spawnID), Self.variables(request), in: folder)
        logger.info(
            "agent started", metadata: ["id": "\(ready.id)", "pid": "\(ready.pid ?? 0)", "cwd": "\(folder.path)"])
        let agent = SpawnedAgent(
            path: folder.path, spawnID: spawnID, pid: ready.pid, id: ready.id, guards: request.guards.map(\.name))
        if try await !Self.value(of: roster.arrival(ofSpawn: spawnID, within: settings.registrationTime)) {
            logger.warning("agent has not registered yet", metadata: ["id": "\(ready.id)"])
        }
        return agent
    }

    /// Refuses a session file that a listed agent works on; pi-socket refuses what only its own lock can tell.
    private func refuseSharing(_ file: String?) async throws(RegistryFault) {
        guard let file else { return }
        let others = await roster.sessionFiles(on: settings.machine)
        try await onThread { () throws(RegistryFault) in
            let identity = Self.identity(of: file)
            let other = others.first { _, theirs in
                theirs == file || (identity != nil && Self.identity(of: theirs) == identity)
            }
            guard let other else { return }
            throw RegistryFault(.sessionInUse, "session \(file) is in use by agent '\(other.id)'")
        }
    }

    /// Device and inode of a file; `nil` if it is not there.
    private static func identity(of file: String) -> [UInt64]? {
        var status = stat()
        return stat(file, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : nil
    }

    /// The launcher's options.
    ///
    /// Each value is part of its option's word, so that none is read as an option. The folder is not among them: the
    /// launcher begins in it.
    static func arguments(_ request: SpawnRequest, url: WebSocketURL, spawnID: String) -> [String] {
        var arguments = ["--detach", "--hypivisor=\(url)"]
        let options = [
            ("name", request.name), ("key", request.key), ("spawn-id", spawnID), ("resume", request.resume),
        ]
        for case (let option, let value?) in options { arguments.append("--\(option)=\(value)") }
        for (name, value) in request.guards where name != "hook" {
            arguments.append("--\(name.replacing("_", with: "-"))=\(value)")
        }
        return request.args.isEmpty ? arguments : arguments + ["--"] + request.args
    }

    /// What goes to the launcher in its environment: the hook's command, since others can read a command line.
    static func variables(_ request: SpawnRequest) -> [String: String] {
        guard let hook = request.guards.first(where: { $0.name == "hook" }) else { return [:] }
        return ["HYPI_HOOK": hook.value]
    }

    private func makeFolder(_ names: [Substring], in parent: Folder) async throws(RegistryFault) -> Folder {
        guard !names.isEmpty else { return parent }
        return try await onThread { () throws(RegistryFault) in
            do throws(SystemFault) {
                return try parent.makeFolders(names)
            } catch {
                throw error.registryFault("cannot create folder \(names.joined(separator: "/")) in \(parent.path)")
            }
        }
    }

    // MARK: Who lives

    private func isAlive(_ node: Node) -> Bool {
        // An agent whose link is down may well live; on this machine one can ask.
        node.status == .active || (node.machine == settings.machine && Self.isRunning(node.pid))
    }

    private static func isRunning(_ pid: Int?) -> Bool {
        guard let pid, let pid = pid_t(exactly: pid), pid > 0 else { return false }
        return kill(pid, 0) == 0 || errno == EPERM
    }

    /// Agents of a hypivisor that ended come back within moments; a key that is theirs must not start a second one.
    private func waitForPredecessor() async {
        guard NIODeadline.now() < rejoined else { return }
        // Fails only if the loop is shut down, and then nothing waits any more.
        try? await eventLoop.scheduleTask(deadline: rejoined) {}.futureResult.get()
    }

    // MARK: Waiting

    private func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws(RegistryFault) -> Value
    ) async throws(RegistryFault) -> Value {
        try await Self.value(of: threads.runIfActive(eventLoop: eventLoop) { try body() })
    }

    private static func value<Value: Sendable>(of future: EventLoopFuture<Value>) async throws(RegistryFault) -> Value {
        do {
            return try await future.get()
        } catch {
            throw error as? RegistryFault ?? RegistryFault(.busy, "hypivisor stops")
        }
    }
}
