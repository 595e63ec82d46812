public import HypiNet
public import HypiWire
public import Logging
import NIOCore
public import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The bridge: one pi, a listening socket for its viewers, a registration, and their common life.
///
/// Everything but the registration's waiting happens on one loop.
public final class PiSocket: Sendable {
    /// Where a bridge that is up can be reached.
    public struct Ready: Sendable {
        /// The node's id.
        public var id: String
        /// The endpoint of viewers.
        public var url: WebSocketURL
        /// The working directory.
        public var cwd: String
        /// The pin of the certificate that is shown there.
        public var pin: TLSPin?
    }

    private let options: PiSocketOptions
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let signals: AsyncStream<Bridge.Signal>
    private let signalSink: AsyncStream<Bridge.Signal>.Continuation
    private let children = OwnChildren()
    private let lease: SessionLease?

    /// A bridge that has not started anything yet.
    public init(_ options: PiSocketOptions, on group: MultiThreadedEventLoopGroup, logger: Logger) {
        self.options = options
        lease = options.sessionLocks.map { SessionLease(folder: $0, id: options.id) }
        self.group = group
        self.logger = logger
        (signals, signalSink) = AsyncStream.makeStream(of: Bridge.Signal.self, bufferingPolicy: .bufferingNewest(16))
    }

    /// Asks the agent to end: its turn is finished, unless `force` is set.
    public func stop(force: Bool = false) {
        signalSink.yield(.stop(force: force))
    }

    /// The certificate was read again: the registry is told its pin.
    public func certificateChanged() {
        signalSink.yield(.certificateChanged)
    }

    /// Runs until pi has ended for good.
    ///
    /// - Parameter ready: Called once, when pi has answered for the first time.
    /// - Throws: ``PiSocketError``, `WebSocketServer.BindError`, or what `ready` throws; pi is not running then.
    public func run(ready: @escaping @Sendable (Ready) throws -> Void) async throws {
        if !OrphanReaper.adopt() { logger.debug("no subreaper on this system: tools that outlive pi are not ended") }
        let loop = group.next()
        try await hold(options.sessionFile)
        let report = NodeReport(firstNode())
        let (hookEvents, hookSink) = AsyncStream.makeStream(
            of: HookRunner.Event.self, bufferingPolicy: .bufferingOldest(HookRunner.queueLimit))
        let (options, logger, signalSink, children) = (options, logger, signalSink, children)
        let bridge = try await loop.submit {
            let bridge = Bridge(
                options, on: loop, report: report, hooks: options.hook == nil ? nil : hookSink, signals: signalSink,
                children: children, logger: logger)
            return NIOLoopBound(bridge, eventLoop: loop)
        }.get()
        let life = PiLife(options: options, bridge: bridge, children: children, logger: logger)
        let server = try await listen(bridge)
        report.change { $0.port = server.port }
        let address = Ready(
            id: options.id,
            url: WebSocketURL(
                isSecure: options.certificate != nil, host: localHost, port: server.port, path: "/ws"),
            cwd: options.cwd, pin: options.certificate?.pin)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.runHooks(hookEvents) }
            tasks.addTask { try await self.obey(bridge, report) { try ready(address) } }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await life.run())
            } catch {
                outcome = .failure(error)
            }
            await server.stopAccepting()
            try await loop.flatSubmit { bridge.value.end("the agent has ended") }.get()
            signalSink.finish()
            hookSink.finish()
            try await tasks.waitForAll()
            await life.endOrphans()
            try outcome.get()
        }
    }

    /// Takes the session file, so that no second agent works on it.
    ///
    /// - Throws: ``PiSocketError/sessionInUse(file:by:)``. Where no lock can be made, there is a warning and no lease.
    private func hold(_ file: String?) async throws {
        guard let file, let lease else { return }
        do {
            try await NIOThreadPool.singleton.runIfActive { try lease.hold(file) }
        } catch SessionLease.Fault.inUse(let file, let holder) {
            throw PiSocketError.sessionInUse(file: file, by: holder)
        } catch SessionLease.Fault.unavailable(let path, let code) {
            logger.warning(
                "nobody can see which session this agent works on",
                metadata: ["file": "\(path)", "why": "\(String(cString: strerror(code)).lowercased())"])
        }
    }

    private func firstNode() -> Node {
        var node = Node(id: options.id, machine: options.machine, cwd: options.cwd, port: 0)
        node.pid = Int(getpid())
        node.name = options.name
        node.activity = .starting
        node.startedAt = Timestamp.text(milliseconds: Bridge.now())
        node.activitySince = node.startedAt
        node.spawnID = options.spawnID
        node.key = options.key
        node.version = Version.current
        node.tlsPin = options.certificate?.pin.map { "\($0)" }
        return node
    }

    /// The address by which this machine reaches us.
    private var localHost: String {
        switch options.host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: options.host
        }
    }

    // MARK: Listening

    private func listen(_ bridge: NIOLoopBound<Bridge>) async throws -> WebSocketServer {
        var lastError: (any Error)?
        for port in options.ports {
            var configuration = WebSocketServer.Configuration(
                host: options.host, port: port, policy: options.policy,
                // Viewers are counted where tunnels count, too.
                connectionLimit: max(options.viewerLimit, Limits.connections), certificate: options.certificate)
            configuration.onAcceptFault = { [logger] reason in
                logger.warning("cannot accept connections", metadata: ["why": "\(reason)"])
            }
            do {
                let server = try await WebSocketServer.start(configuration, on: bridge.eventLoop) { request in
                    Self.route(request, bridge)
                }
                if let warning = options.policy.token?.warning { logger.warning("\(warning)") }
                return server
            } catch {
                guard case .portTaken = error else { throw error }
                lastError = error
            }
        }
        throw lastError ?? WebSocketServer.BindError.portTaken(host: options.host, port: options.ports.last ?? 0)
    }

    private static func route(_ request: HandshakeRequest, _ bridge: NIOLoopBound<Bridge>) -> WebSocketServer.Route {
        switch request.path {
        case "/healthz": return .answer(status: 200, body: "ok")
        case "/", "/ws":
            let offersSession = request.subprotocols.contains(sessionSubprotocol)
            // The broadcast's own bound replaces the socket's: a viewer writes only while there is room.
            let options = WebSocket.Options(outboxLimit: nil, compresses: true)
            if bridge.value.isFull { return .answer(status: 503, body: "too many viewers") }
            return .webSocket(subprotocol: offersSession ? sessionSubprotocol : nil, options: options) { _, _ in
                bridge.value.makeEndpoint(offersSession: offersSession)
            }
        default: return .notFound
        }
    }

    /// What a client offers that wants the session dialect from the start.
    static let sessionSubprotocol = "pi-server.v1"

    /// Serves a viewer over a connection to the hypivisor that we open ourselves.
    private func openTunnel(
        _ url: WebSocketURL, _ options: WebSocketClient.Options, _ subprotocol: String?, _ bridge: NIOLoopBound<Bridge>
    ) {
        var options = options
        options.socket = WebSocket.Options(messageLimit: Limits.clientMessageBytes, outboxLimit: nil)
        let offersSession = subprotocol == Self.sessionSubprotocol
        bridge.eventLoop.execute { [options, logger] in
            guard bridge.value.beginTunnel() else { return }
            WebSocketClient.connect(to: url, options: options, on: bridge.eventLoop) {
                bridge.value.makeEndpoint(offersSession: offersSession)
            }.assumeIsolated().whenComplete { result in
                bridge.value.endTunnelDial()
                if case .failure(let error) = result { logger.warning("tunnel could not be opened: \(error)") }
            }
        }
    }

    // MARK: Obeying

    /// Does what the bridge and the person ask for, and keeps the registration beside it, until the signals end.
    private func obey(
        _ bridge: NIOLoopBound<Bridge>, _ report: NodeReport, ready: () throws -> Void
    ) async throws {
        let registration = self.registration(bridge, report)
        var failure: (any Error)?
        await withDiscardingTaskGroup { tasks in
            for await signal in signals {
                switch signal {
                case .ready:
                    do {
                        // pi has opened the session by now and has written nothing: it may have chosen one by itself.
                        try await hold(report.current.sessionFile)
                        if let registration {
                            tasks.addTask { await registration.run() }
                            await registration.waitForFirstAttempt()
                        }
                        try ready()
                    } catch {
                        failure = error
                        bridge.eventLoop.execute { bridge.value.stop(force: true) }
                    }
                case .certificateChanged:
                    report.change { $0.tlsPin = options.certificate?.pin.map { "\($0)" } }
                case .stop(let force): bridge.eventLoop.execute { bridge.value.stop(force: force) }
                }
            }
            await registration?.leave()
            tasks.cancelAll()
        }
        if let failure { throw failure }
    }

    private func registration(_ bridge: NIOLoopBound<Bridge>, _ report: NodeReport) -> Registration? {
        guard let registry = options.registry else { return nil }
        let requests = Registration.Requests(
            openTunnel: { url, options, subprotocol in self.openTunnel(url, options, subprotocol, bridge) },
            stop: { force in self.stop(force: force) })
        return Registration(
            report: report, instance: Bridge.randomName(), registry: registry, announcements: options.announcements,
            firstDelay: options.reconnectDelay, requests: requests, group: group, logger: logger)
    }

    private func runHooks(_ events: AsyncStream<HookRunner.Event>) async {
        guard let hook = options.hook else { return }
        let runner = HookRunner(
            command: hook, environment: options.hookEnvironment, children: children, logger: logger)
        await runner.run(events)
    }
}
