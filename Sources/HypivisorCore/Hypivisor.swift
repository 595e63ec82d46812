public import HypiNet
public import HypiWire
public import Logging
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The registry daemon: one listening socket, one roster, and what hangs on them (specs/protocol.md, sections 1 and 2).
///
/// ```
/// /ws              Connection -> Method -> Roster, DirectoryBrowser, Spawner
/// /ws/agent/<id>   RelaySide <-> RelaySide of the agent, dialled or through its tunnel
/// /ws/tunnel/<id>  the agent's end of a relay
/// /healthz         200
/// ```
///
/// Connections are spread over a loop per core; the roster has a loop of its own. It holds no agent: whatever happens
/// here, agents live on, and come back to the next hypivisor by themselves.
public final class Hypivisor: Sendable {
    /// The registry's URL, as programs on this machine reach it.
    public let url: WebSocketURL

    private let server: WebSocketServer
    private let roster: Roster
    private let spawner: Spawner
    private let connectionLoops: MultiThreadedEventLoopGroup
    private let rosterLoop: MultiThreadedEventLoopGroup
    private let threads: NIOThreadPool

    /// Binds and serves; requests to start agents wait until ``run()``, which must be called once.
    ///
    /// - Parameters:
    ///   - configuration: Everything it needs to know.
    ///   - logger: For what happened.
    /// - Returns: The hypivisor, which listens.
    /// - Throws: ``WebSocketServer/BindError``; nothing is left running then.
    public static func start(
        _ configuration: Configuration, logger: Logger
    ) async throws(WebSocketServer.BindError) -> Hypivisor {
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
        let rosterLoop = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let threads = NIOThreadPool(numberOfThreads: Limits.directoryThreads)
        threads.start()
        let url = rosterLoop.next().makePromise(of: WebSocketURL.self)
        let rooms = Rooms(configuration, rosterLoop.next(), url.futureResult, threads, logger)
        do {
            var listening = WebSocketServer.Configuration(
                host: configuration.host, port: configuration.port, policy: configuration.policy,
                connectionLimit: configuration.connectionLimit, certificate: configuration.certificate)
            listening.onAcceptFault = { reason in
                logger.warning("cannot accept connections", metadata: ["why": "\(reason)"])
            }
            let server = try await WebSocketServer.start(listening, on: loops, route: { rooms.route($0) })
            let here = WebSocketURL(
                isSecure: configuration.certificate != nil, host: reachable(configuration.host), port: server.port,
                path: "/ws")
            url.succeed(here)
            if let warning = configuration.policy.token?.warning { logger.warning("\(warning)") }
            return Hypivisor(here, server, rooms, loops, rosterLoop, threads)
        } catch {
            url.fail(error)
            await shutDown(loops, rosterLoop, threads)
            throw error
        }
    }

    private init(
        _ url: WebSocketURL, _ server: WebSocketServer, _ rooms: Rooms, _ connectionLoops: MultiThreadedEventLoopGroup,
        _ rosterLoop: MultiThreadedEventLoopGroup, _ threads: NIOThreadPool
    ) {
        self.url = url
        self.server = server
        roster = rooms.services.roster
        spawner = rooms.services.spawner
        self.connectionLoops = connectionLoops
        self.rosterLoop = rosterLoop
        self.threads = threads
    }

    /// The port that is listened on.
    public var port: Int { server.port }

    /// Serves until ``stop()`` is called or the task is cancelled, and ends everything in order.
    ///
    /// Whoever is connected then gets 1001, and ``Limits/stopMilliseconds`` to answer.
    public func run() async {
        let server = server
        await spawner.run {
            await server.stop(
                Closure(code: .goingAway, reason: "hypivisor stops"), within: .milliseconds(Limits.stopMilliseconds))
        }
        await roster.shutDown()
        // Requests that this refused are answered on the loops of their connections, which must still be open then.
        for loop in [rosterLoop.next()] + Array(connectionLoops.makeIterator()) {
            // Fails only when the loop was shut down already.
            try? await loop.submit {}.get()
        }
        await Self.shutDown(connectionLoops, rosterLoop, threads)
    }

    /// Ends ``run()``.
    public func stop() {
        spawner.stop()
    }

    private static func shutDown(
        _ loops: MultiThreadedEventLoopGroup, _ rosterLoop: MultiThreadedEventLoopGroup, _ threads: NIOThreadPool
    ) async {
        // Both fail only when they were shut down already.
        try? await loops.shutdownGracefully()
        try? await rosterLoop.shutdownGracefully()
        try? await threads.shutdownGracefully()
    }

    /// What programs on this machine call a bound address: one that means all of them is no destination.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: host
        }
    }
}

/// What is behind the paths of the server.
private struct Rooms: Sendable {
    let services: Method.Services
    private let relay: Relay
    private let ttl: TimeAmount
    private let registryOptions: WebSocket.Options

    init(
        _ configuration: Hypivisor.Configuration, _ rosterLoop: any EventLoop, _ url: EventLoopFuture<WebSocketURL>,
        _ threads: NIOThreadPool, _ logger: Logger
    ) {
        let machine = configuration.policy.machine
        let spawning = configuration.spawning
        let roster = Roster(
            on: rosterLoop, ttl: configuration.nodeTTL, rejoinTime: spawning.rejoinTime, clock: { .now },
            onEvent: configuration.onEvent)
        let spawner = Spawner(
            .init(
                roots: configuration.roots, command: spawning.command,
                environment: spawning.passing.variables(
                    from: spawning.environment, token: spawning.tokenVariable),
                isEnabled: spawning.isEnabled, permissions: spawning.permissions, agentLimit: spawning.agentLimit,
                rejoinTime: spawning.rejoinTime, startTime: spawning.startTime,
                registrationTime: spawning.registrationTime,
                machine: machine),
            roster: roster, registryURL: url, threads: threads, logger: logger)
        let browser = DirectoryBrowser(roots: configuration.roots, roster: roster, machine: machine, threads: threads)
        services = Method.Services(roster: roster, browser: browser, spawner: spawner, logger: logger)
        relay = Relay(roster: roster, token: configuration.policy.token, heartbeat: configuration.heartbeat)
        ttl = configuration.nodeTTL
        // A lease of three TTLs is kept by pings that are no further apart than one.
        registryOptions = WebSocket.Options(
            messageLimit: Limits.registryMessageBytes, outboxLimit: configuration.outboxLimit,
            heartbeat: min(configuration.heartbeat, configuration.nodeTTL))
    }

    func route(_ request: HandshakeRequest) -> WebSocketServer.Route {
        switch request.path {
        case "/ws":
            return .webSocket(options: registryOptions) { request, _ in
                Connection(request, services: services, ttl: ttl)
            }
        case "/healthz": return .answer(status: 200, body: "ok")
        case "/ws/agent", "/ws/agent/": return .answer(status: 400, body: "an agent's id is missing")
        default: return relayRoute(request)
        }
    }

    private func relayRoute(_ request: HandshakeRequest) -> WebSocketServer.Route {
        if let id = request.path.suffix(behind: "/ws/agent/") {
            let subprotocol = request.subprotocols.contains(Relay.subprotocol) ? Relay.subprotocol : nil
            return .webSocket(subprotocol: subprotocol, options: relay.socketOptions) { request, eventLoop in
                relay.viewer(request, id: PercentCoding.decode(id), on: eventLoop)
            }
        }
        if let id = request.path.suffix(behind: "/ws/tunnel/"), !id.isEmpty {
            return .webSocket(options: relay.socketOptions) { _, eventLoop in
                relay.tunnel(String(id), on: eventLoop)
            }
        }
        return .notFound
    }
}

extension String {
    fileprivate func suffix(behind prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}

extension Registry.Moment {
    /// Both clocks, now.
    static var now: Registry.Moment {
        Registry.Moment(instant: .now(), epochSeconds: time(nil))
    }
}
