import HypiNet
import HypiWire
import Logging
import NIOCore
import NIOPosix
import PiAdapter

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What one bridge keeps on its loop around the hub: the process, the timers, the node as the roster shows it.
///
/// Not Sendable, like the hub: the loop is its owner.
final class Bridge: SessionHubDelegate, PiProcess.Owner {
    /// What the bridge tells its main task.
    enum Signal: Sendable {
        /// pi answered for the first time.
        case ready
        /// Somebody asked the agent to end.
        case stop(force: Bool)
        /// The certificate of the endpoint is another.
        case certificateChanged
    }

    private let options: PiSocketOptions
    private let eventLoop: any EventLoop
    private let report: NodeReport
    private let hooks: AsyncStream<HookRunner.Event>.Continuation?
    private let signals: AsyncStream<Signal>.Continuation
    private let children: OwnChildren
    private let logger: Logger
    private var hub: SessionHub?
    private var process: PiProcess?
    private var stdio: StdioConnection?
    private var hasAnswered = false
    private var endsWithInput = false
    private var stopTimer: Scheduled<Void>?
    private let timers: ActivityTimers
    private var activity = Node.Activity.starting
    private var viewerCount = 0
    private var viewersGone: EventLoopPromise<Void>?
    private var isCollecting = false
    private var openingTunnelCount = 0
    /// The log has been told of it; a flood must not fill it.
    private var hasRefusedTunnel = false
    /// The file of pi's session, for starting it again after a crash.
    private(set) var sessionFile: String?
    private(set) var isStopping = false

    init(
        _ options: PiSocketOptions, on eventLoop: any EventLoop, report: NodeReport,
        hooks: AsyncStream<HookRunner.Event>.Continuation?, signals: AsyncStream<Signal>.Continuation,
        children: OwnChildren, logger: Logger
    ) {
        self.options = options
        self.eventLoop = eventLoop
        self.report = report
        self.hooks = hooks
        self.signals = signals
        self.children = children
        self.logger = logger
        timers = ActivityTimers(maxTurn: options.maxTurn, idleExit: options.idleExit, on: eventLoop)
        let configuration = SessionConfiguration(
            id: options.id, boot: Self.randomName(), cwd: options.cwd, replayBytes: options.replayBytes,
            uiTimeout: options.uiTimeout.map { TimeAmount($0) },
            guards: GuardLimits(cost: options.maxCost, turn: options.maxTurn, repeats: options.maxRepeats))
        hub = SessionHub(configuration: configuration, eventLoop: eventLoop, logger: logger, delegate: self)
        timers.turnIsTooLong = { [weak self] limit in
            self?.hub?.trippedGuard(GuardTrip(name: "max-turn", detail: "a run has taken longer than \(limit)"))
        }
        timers.isIdleForLong = { signals.yield(.stop(force: false)) }
        if options.isStdio { openStdio() }
    }

    private func openStdio() {
        guard let hub, let viewer = makeViewer(.lines) else { return }
        let stdio = StdioConnection(viewer, hub: hub, on: eventLoop) { [weak self] in self?.endWithInput() }
        self.stdio = stdio
        viewer.begin(stdio)
    }

    /// The program behind `--stdio` wants nothing more: what it has asked for is still done.
    private func endWithInput() {
        endsWithInput = true
        guard !isStopping, hub?.isNothingWaiting == true else { return }
        isStopping = true
        hub?.beginStopping()
        process?.closeInput()
    }

    static func randomName() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36)
    }

    /// Whether `--max-clients` viewers are there, over whatever connection; the program behind `--stdio` does not count.
    var isFull: Bool {
        viewerCount - (stdio == nil ? 0 : 1) >= options.viewerLimit
    }

    /// Counts a tunnel that is about to be dialled, unless there are too many.
    ///
    /// Whoever asks for tunnels decides how many; descriptors for pi and for files are not given to them.
    func beginTunnel() -> Bool {
        guard openingTunnelCount < Limits.openingTunnels,
            DescriptorRoom.allowsConnections(openingTunnelCount + 1)
        else {
            if !hasRefusedTunnel {
                logger.warning("a tunnel was not opened: too many are being opened, or too many files are open")
            }
            hasRefusedTunnel = true
            return false
        }
        (openingTunnelCount, hasRefusedTunnel) = (openingTunnelCount + 1, false)
        return true
    }

    /// A tunnel that was dialled is open, or will not be.
    func endTunnelDial() {
        openingTunnelCount -= 1
    }

    /// An endpoint for a new connection: a viewer, or what says why there is none.
    func makeEndpoint(offersSession: Bool) -> any WebSocketEndpoint {
        if isFull { return ClosedEndpoint(.tryAgainLater, "too many viewers") }
        return makeViewer(offersSession ? .session : .viewport) ?? ClosedEndpoint(.goingAway, "the agent has ended")
    }

    private func makeViewer(_ entry: Viewer.Entry) -> Viewer? {
        hub.map { Viewer(id: $0.nextViewerID(), hub: $0, entry: entry) }
    }

    // MARK: pi

    func piStarted(_ process: PiProcess) {
        self.process = process
        hub?.started(process)
        if isStopping { process.closeInput() }
        stdio?.startReading()
    }

    func piWrote(_ bytes: ByteBuffer) {
        hub?.received(bytes)
    }

    func piOutputEnded() {
        hub?.outputEnded()
    }

    /// pi is gone: whether to start it again was decided elsewhere.
    func piExited(_ exit: PiExit, isRestarting: Bool) {
        process = nil
        hub?.piExited(exit, isRestarting: isRestarting)
        if !exit.isClean, !isStopping { fire("error", ["detail": .string("pi ended: \(exit.how)")]) }
    }

    /// Whether pi has ever answered: before that, its end is a failure to start.
    var isUp: Bool {
        hasAnswered
    }

    /// What a dialog that is open asks.
    var openQuestion: String? {
        guard let line = hub?.dialogs.open.first?.line else { return nil }
        return (try? JSON(parsing: line))?["title"]?.string?.withoutControlCharacters ?? "something"
    }

    // MARK: Stopping

    /// Lets pi end its turn, then asks it, then ends it.
    func stop(force: Bool) {
        if isStopping && !force { return }
        isStopping = true
        hub?.beginStopping()
        stopTimer?.cancel()
        process?.closeInput()
        if force { return terminate() }
        stopTimer = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(options.grace)) { self.terminate() }
    }

    private func terminate() {
        process?.signal(SIGTERM)
        stopTimer = eventLoop.assumeIsolated().scheduleTask(in: .seconds(3)) { self.process?.signal(SIGKILL) }
    }

    /// The last words to viewers and hooks.
    ///
    /// - Returns: Succeeds when the viewers have read everything and are gone, after ``Limits/closeSeconds`` at the latest.
    func end(_ reason: String) -> EventLoopFuture<Void> {
        stopTimer?.cancel()
        timers.cancel()
        fire("exit", ["detail": .string(reason)])
        hooks?.finish()
        let gone = eventLoop.makePromise(of: Void.self)
        viewersGone = gone
        hub?.closeViewers(.goingAway, reason)
        endWithoutViewers()
        let timer = eventLoop.assumeIsolated().scheduleTask(in: .seconds(Limits.closeSeconds)) { self.finishEnding() }
        gone.futureResult.whenComplete { _ in timer.cancel() }
        return gone.futureResult
    }

    private func endWithoutViewers() {
        if viewersGone != nil, viewerCount == 0 { finishEnding() }
    }

    private func finishEnding() {
        stdio = nil
        viewersGone?.succeed()
        viewersGone = nil
        // The hub holds us as its delegate.
        hub = nil
    }

    // MARK: SessionHubDelegate

    func hub(status: SessionNews.Status, news: SessionNews) {
        let isReady = status.isUp && !hasAnswered
        hasAnswered = hasAnswered || status.isUp
        if endsWithInput { endWithInput() }
        let isNew = status.activity != activity
        activity = status.activity
        if let state = news.state { sessionFile = state.sessionFile }
        // One change: who sees the activity sees the figures that belong to it.
        report.change { node in
            if isNew || node.activity == nil {
                node.activity = activity
                node.activitySince = Timestamp.text(milliseconds: Self.now())
            }
            node.queued = status.queued
            if let state = news.state {
                node.sessionID = state.sessionID
                node.sessionFile = state.sessionFile
                node.name = news.isRenamed ? state.sessionName : options.name ?? state.sessionName
                node.model = state.model
                node.thinking = state.thinkingLevel
            }
            if let stats = news.stats {
                node.cost = stats.cost
                node.tokens = stats.tokens
                node.contextPercent = stats.contextPercent
            }
        }
        timers.update(activity, viewerCount: viewerCount)
        guard isReady else { return }
        signals.yield(.ready)
        fire("ready", [:])
    }

    func hub(viewerCount: Int) {
        self.viewerCount = viewerCount
        report.change { $0.clients = viewerCount }
        timers.update(activity, viewerCount: viewerCount)
        endWithoutViewers()
    }

    func hub(happened happening: SessionHappening) {
        switch happening {
        case .settled, .failed:
            timers.turnEnded(activity)
            if case .failed(let reason) = happening {
                fire("error", ["detail": .string(reason)])
            } else {
                fire("settled", [:])
            }
            collectOrphans()
        case .inputRequired(let record): fire("input-required", ["request": (try? JSON(parsing: record)) ?? .null])
        case .guarded(let trip): fire("guard", ["guard": .string(trip.name), "detail": .string(trip.detail)])
        }
    }

    /// What a tool left behind and has ended since is ours to collect; /proc is not read on the loop.
    private func collectOrphans() {
        guard !isCollecting else { return }
        isCollecting = true
        let children = children
        runBlocking({ OrphanReaper.collect { children.known } }, then: { self.isCollecting = false })
    }

    func hub(stopRequested force: Bool) {
        signals.yield(.stop(force: force))
    }

    func runBlocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void) {
        NIOThreadPool.singleton.runIfActive(eventLoop: eventLoop, work).assumeIsolated().whenComplete { result in
            // The singleton pool is never shut down.
            if case .success(let value) = result { then(value) }
        }
    }

    private func fire(_ name: String, _ record: JSONObject) {
        guard let hooks else { return }
        var node = report.current
        // pi is gone by then, or about to go.
        if name == "exit" { (node.activity, node.activitySince) = (nil, nil) }
        let event = HookRunner.Event(name: name, record: record, node: node)
        if case .dropped = hooks.yield(event) { logger.warning("hook is too slow: an event was dropped") }
    }

    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
