import HypiNet
import HypiWire
import Logging
import NIOCore
import PiAdapter

/// The middle of the bridge: lines of pi in, the same records to every viewer out, commands of viewers to pi.
///
/// It belongs to one event loop and is deliberately not Sendable, so the compiler keeps everything that touches it
/// there. It holds no conversation: a snapshot is asked of pi when somebody arrives, and whoever waits for one joins the
/// stream at the very record that answers it.
///
/// ```
/// PiProcess -> splitter -> PiRecord -> [ActivityTracker, InFlight, DialogBook] -> Broadcast -> Viewer -> socket
/// Viewer -> ViewerFrames -> CommandRouter -> PiProcess
/// ```
final class SessionHub {
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let processBoot: String
    private let serverID: String
    private let lister: FileLister
    private let delegate: any SessionHubDelegate
    private let uiTimeout: TimeAmount?

    private var splitter = RecordSplitter(limit: Limits.recordBytes)
    private var tracker = ActivityTracker()
    private var inFlight = InFlight()
    private var dialogs = DialogBook()
    private var broadcast: Broadcast
    private var router = CommandRouter()
    private var viewers: [ViewerID: Viewer] = [:]
    private var lastViewerID: ViewerID = 0
    private var snapshotWaiters: [SnapshotWaiter] = []
    private var isAskingMessages = false
    private var pi: (any PiInput)?
    private var state: PiState?
    private var stats: PiStats?
    private var commands: [JSON] = []
    private var isStopping = false
    private var blocked: String?
    private var guards: GuardSet

    private enum SnapshotWaiter {
        case join(Viewer)
        case history(Viewer, before: Int?, limit: Int)
    }

    /// A hub without a pi yet.
    init(
        configuration: SessionConfiguration, eventLoop: any EventLoop, logger: Logger, delegate: any SessionHubDelegate
    ) {
        self.eventLoop = eventLoop
        self.logger = logger
        self.delegate = delegate
        processBoot = configuration.boot
        serverID = configuration.id
        lister = FileLister(root: configuration.cwd)
        uiTimeout = configuration.uiTimeout
        broadcast = Broadcast(byteLimit: configuration.replayBytes)
        guards = GuardSet(configuration.guards)
    }

    /// A name for the next viewer.
    func nextViewerID() -> ViewerID {
        lastViewerID += 1
        return lastViewerID
    }

    // MARK: pi

    /// A pi was started: its input is there, and the first question goes out.
    func started(_ pi: any PiInput) {
        self.pi = pi
        splitter = RecordSplitter(limit: Limits.recordBytes)
        tracker = ActivityTracker()
        inFlight = InFlight()
        refresh()
        perform(router.ask(.commands, ["type": "get_commands"]))
        if !snapshotWaiters.isEmpty { askMessages() }
        reportActivity()
    }

    /// Bytes of pi's stdout arrived.
    func received(_ bytes: ByteBuffer) {
        splitter.append(bytes)
        while let output = splitter.next() { take(output) }
        pumpAll()
    }

    /// pi's stdout ended: a last line without LF counts.
    func outputEnded() {
        if let last = splitter.finish() { take(last) }
        pumpAll()
    }

    /// Tells viewers, who stay, that pi is gone; nothing that waited is sent again.
    func piExited(_ exit: PiExit, isRestarting: Bool) {
        pi = nil
        isAskingMessages = false
        inFlight = InFlight()
        tracker = ActivityTracker()
        perform(router.piExited())
        for id in dialogs.closeAll() { broadcast.append(["type": "extension_ui_resolved", "id": .string(id)]) }
        var frame: JSONObject = ["type": "agent_exit"]
        frame["code"] = exit.code.map { .int($0) }
        frame["signal"] = exit.signal.map { .int($0) }
        frame["stderr"] = .string(exit.lastWords)
        frame["restarting"] = .bool(isRestarting)
        broadcast.append(frame)
        pumpAll()
        reportActivity()
    }

    private func take(_ output: RecordSplitter.Output) {
        switch output {
        case .oversized(let byteCount):
            logger.warning("record of pi is too long and was dropped", metadata: ["bytes": "\(byteCount)"])
        case .record(let line):
            guard line.readableBytes > 0 else { return }
            guard let record = PiRecord(line: line) else {
                logger.warning("line of pi is no record and was skipped", metadata: ["bytes": "\(line.readableBytes)"])
                return
            }
            take(record)
        }
    }

    private func take(_ record: PiRecord) {
        if let response = PiResponse(record) { return take(response, of: record) }
        let wasBusy = tracker.isBusy
        tracker.apply(record)
        inFlight.apply(record)
        if broadcast.append(record, at: .now()) { scheduleFlush() }
        switch record.kind {
        case .agentStart: perform(router.runBegan())
        case .uiRequest: opened(record)
        case .agentEnd, .agentSettled: if wasBusy && !tracker.isBusy { settled() }
        case .turnEnd, .queueUpdate: refresh()
        default: break
        }
        for trip in guards.apply(record, isBusy: tracker.isBusy) { trippedGuard(trip) }
        reportActivity()
    }

    private func settled() {
        refresh()
        delegate.hub(happened: .settled)
    }

    /// Asks pi for what the roster shows.
    private func refresh() {
        perform(router.ask(.state, ["type": "get_state"]))
        perform(router.ask(.stats, ["type": "get_session_stats"]))
    }

    private func scheduleFlush() {
        eventLoop.assumeIsolated().scheduleTask(in: Broadcast.holdTime) {
            self.broadcast.flushHeldUpdates(at: .now())
            self.pumpAll()
        }
    }

    // MARK: Answers of pi

    private func take(_ response: PiResponse, of record: PiRecord) {
        guard let answer = router.answered(response, isBusy: tracker.isBusy) else {
            logger.debug("answer of pi that nobody asked for", metadata: ["command": "\(response.command ?? "-")"])
            return
        }
        tracker.answered(answer.type, success: response.success)
        perform(answer.actions)
        if let question = answer.question {
            take(response, to: question)
        } else if response.success {
            switch PiCommand.handling(answer.type) {
            case .replacesSession:
                inFlight = InFlight()
                refresh()
            case .changesState: refresh()
            case .prompt, .abort, .plain: break
            }
        }
        reportActivity()
    }

    private func take(_ response: PiResponse, to question: CommandRouter.OwnQuestion) {
        switch question {
        case .messages: return takeMessages(response)
        case .abort: return
        case .state, .stats, .commands, .gateProbe: break
        }
        guard response.success, let data = response.data.flatMap({ try? JSON(parsing: $0) }) else {
            return logger.debug("pi refused a question of ours", metadata: ["command": "\(response.command ?? "-")"])
        }
        switch question {
        case .state, .gateProbe:
            let state = PiState(data)
            self.state = state
            tracker.corrected(isStreaming: state.isStreaming, isCompacting: state.isCompacting)
            if case .gateProbe = question { perform(router.probed(isBusy: tracker.isBusy)) }
            delegate.hub(state: state)
        case .stats:
            let stats = PiStats(data)
            self.stats = stats
            delegate.hub(stats: stats)
            if let trip = guards.apply(cost: stats.cost) { trippedGuard(trip) }
        case .commands:
            commands = data["commands"]?.array ?? []
        case .messages, .abort: break
        }
    }

    // MARK: Arriving

    /// A connection opened.
    func arrived(_ viewer: Viewer) {
        viewers[viewer.id] = viewer
        delegate.hub(viewerCount: viewers.count)
    }

    /// A connection ended.
    func left(_ viewer: Viewer) {
        viewers[viewer.id] = nil
        snapshotWaiters.removeAll { waiter in
            switch waiter {
            case .join(let waiting), .history(let waiting, _, _): waiting === viewer
            }
        }
        delegate.hub(viewerCount: viewers.count)
        scheduleDialogTimeouts()
    }

    /// A viewer wants a snapshot and then the stream.
    ///
    /// One question to pi serves all who wait for its answer.
    func join(_ viewer: Viewer) {
        snapshotWaiters.append(.join(viewer))
        askMessages()
    }

    /// A viewer that had begun in the viewport dialect says hello.
    func leaveViewport(_ viewer: Viewer) {
        snapshotWaiters.removeAll { waiter in
            if case .join(let waiting) = waiter { waiting === viewer } else { false }
        }
        viewer.dialect = .silent
    }

    /// A viewer wants an older page of the conversation.
    func fetchHistory(_ viewer: Viewer, before: Int?, limit: Int) {
        snapshotWaiters.append(.history(viewer, before: before, limit: limit))
        askMessages()
    }

    private func askMessages() {
        guard pi != nil, !isAskingMessages else { return }
        isAskingMessages = true
        perform(router.ask(.messages, ["type": "get_messages"]))
    }

    private func takeMessages(_ response: PiResponse) {
        isAskingMessages = false
        let waiters = snapshotWaiters
        snapshotWaiters = []
        let messages = response.messages ?? ByteBuffer(string: "[]")
        for waiter in waiters {
            switch waiter {
            case .join(let viewer): welcome(viewer, messages)
            case .history(let viewer, let before, let limit):
                let page = MessagesSlice.page(of: messages, before: before, limit: limit)
                viewer.send(raw: SnapshotFrames.historyPage(page))
            }
        }
    }

    private func welcome(_ viewer: Viewer, _ messages: ByteBuffer) {
        guard case .joining(let shape) = viewer.dialect else { return }
        broadcast.activate(shape)
        let slice = MessagesSlice.newest(of: messages, byteLimit: viewer.historyByteLimit)
        if shape == .viewport {
            viewer.send(raw: SnapshotFrames.initState(slice, context: snapshotContext(shape)))
            for line in SnapshotFrames.catchUp(inFlight, dialogs.open) { viewer.send(raw: line) }
        } else {
            viewer.send(raw: SnapshotFrames.welcome(slice, resumed: false, context: snapshotContext(shape)))
        }
        viewer.follow(shape, from: broadcast.next(shape))
    }

    /// Whether a viewer that has seen everything up to `seq` of this boot can go on without a snapshot.
    func canResume(_ shape: Shape, boot: String?, after seq: Int) -> Bool {
        boot == shape.boot(processBoot) && broadcast.canResume(shape, after: UInt64(seq))
    }

    /// Lets a viewer go on behind the last frame it has.
    func resume(_ viewer: Viewer, _ shape: Shape, after seq: UInt64) {
        viewer.dialect = .joining(shape)
        let nothing = MessagesSlice(total: 0, oldestIndex: 0, array: ByteBuffer(string: "[]"))
        viewer.send(raw: SnapshotFrames.welcome(nothing, resumed: true, context: snapshotContext(shape)))
        viewer.follow(shape, from: seq + 1)
    }

    private func snapshotContext(_ shape: Shape) -> SnapshotFrames.Context {
        SnapshotFrames.Context(
            serverID: serverID, boot: shape.boot(processBoot), seq: broadcast.next(shape) - 1, state: state,
            activity: tracker.activity, blocked: blocked, commands: commands, pending: dialogs.open,
            inFlight: inFlight, queued: router.waitingCount + (state?.pendingMessageCount ?? 0))
    }

    // MARK: What viewers want

    /// The number of the next frame of a shape.
    func nextPosition(_ shape: Shape) -> UInt64 {
        broadcast.next(shape)
    }

    /// Frames for a viewer's cursor.
    func read(_ shape: Shape, from cursor: UInt64, upTo limit: UInt64) -> FrameLog.Reading {
        broadcast.read(shape, from: cursor, upTo: limit)
    }

    /// The slash commands pi has, as the viewport dialect lists them.
    func listCommands(_ viewer: Viewer) {
        let list = commands.compactMap { command -> JSON? in
            guard let name = command["name"]?.string else { return nil }
            return ["name": .string("/" + name), "description": command["description"] ?? ""]
        }
        viewer.send(["type": "commands_list", "commands": .array(list)])
    }

    /// Files for completion; the folder is read off the loop.
    func listFiles(_ viewer: Viewer, prefix: String) {
        let lister = lister
        delegate.runBlocking({ lister.list(prefix: prefix) }) { entries in
            let files = entries.map { JSON.object(["path": .string($0.path), "isDirectory": .bool($0.isDirectory)]) }
            viewer.send(["type": "files_list", "files": .array(files), "cwd": .string(lister.root)])
        }
    }

    /// A command for pi.
    func command(_ command: JSONObject, from viewer: Viewer, originalID: ByteBuffer?, clientMessageID: String?) {
        let asker = CommandRouter.Asker(viewer: viewer.id, originalID: originalID, clientMessageID: clientMessageID)
        let type = command["type"]?.string ?? ""
        if let reason = refusal(of: type) { return refuse(asker, type, reason) }
        perform(router.submit(command, from: asker, isBusy: tracker.isBusy))
        reportActivity()
    }

    private func refusal(of type: String) -> String? {
        guard pi != nil else { return "pi is not running" }
        guard PiCommand.startsWork(type) else { return nil }
        if isStopping { return "the agent is stopping" }
        return blocked.map { "a guard has stopped the agent: \($0) (send {\"type\":\"resume\"} to go on)" }
    }

    /// The answer to a dialog: the first one counts.
    func answerDialog(_ answer: JSONObject) {
        guard let id = answer["id"]?.string, dialogs.close(id) else { return }
        pi?.write(line: JSON.object(answer).buffer)
        resolved(id)
    }

    /// A person lets a blocked agent go on.
    func resume() {
        guard blocked != nil else { return }
        blocked = nil
        guards.reset()
        tracker.setBlocked(false)
        reportActivity()
    }

    /// A person wants the agent to end.
    func requestStop(force: Bool) {
        delegate.hub(stopRequested: force)
    }

    /// No new prompts from here on.
    func beginStopping() {
        isStopping = true
    }

    /// Ends every connection, for a reason.
    func closeViewers(_ code: CloseCode, _ reason: String) {
        for viewer in viewers.values { viewer.close(code, reason) }
    }

    // MARK: Dialogs

    private func opened(_ record: PiRecord) {
        guard let dialog = dialogs.opened(record) else { return }
        tracker.setOpenDialogs(dialogs.open.count)
        delegate.hub(happened: .inputRequired(dialog.line))
        if let milliseconds = dialog.timeoutMilliseconds {
            // pi takes the default by itself then, and says nothing.
            eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                if self.dialogs.close(dialog.id) { self.resolved(dialog.id) }
            }
        }
        scheduleDialogTimeouts()
    }

    private func resolved(_ id: String) {
        tracker.setOpenDialogs(dialogs.open.count)
        broadcast.append(["type": "extension_ui_resolved", "id": .string(id)])
        pumpAll()
        reportActivity()
    }

    /// With `--ui-timeout`, a dialog that nobody is there to answer is cancelled.
    private func scheduleDialogTimeouts() {
        guard let uiTimeout, viewers.isEmpty else { return }
        for dialog in dialogs.open {
            eventLoop.assumeIsolated().scheduleTask(in: uiTimeout) {
                guard self.viewers.isEmpty else { return }
                self.answerDialog(["type": "extension_ui_response", "id": .string(dialog.id), "cancelled": true])
            }
        }
    }

    // MARK: Guards

    /// The turn has run too long, or nobody has needed the agent for too long; called by the guards' timers.
    func trippedGuard(_ trip: GuardTrip) {
        guard blocked == nil else { return }
        blocked = trip.detail
        tracker.setBlocked(true)
        if tracker.isBusy { perform(router.ask(.abort, ["type": "abort"])) }
        broadcast.append(["type": "guard", "guard": .string(trip.name), "detail": .string(trip.detail)])
        delegate.hub(happened: .guarded(trip))
        pumpAll()
        reportActivity()
    }

    // MARK: Performing

    private func perform(_ actions: [CommandRouter.Action]) {
        for action in actions {
            switch action {
            case .write(let line): pi?.write(line: line)
            case .sent(let type): tracker.sent(type)
            case .probe(let isLater): probe(isLater: isLater)
            case .refuse(let asker, let command, let error): refuse(asker, command, error)
            case .deliver(let asker, let line): deliver(line, to: asker)
            }
        }
    }

    private func probe(isLater: Bool) {
        guard isLater else { return perform(router.ask(.gateProbe, ["type": "get_state"])) }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(100)) {
            self.perform(self.router.ask(.gateProbe, ["type": "get_state"]))
        }
    }

    private func deliver(_ line: ByteBuffer, to asker: CommandRouter.Asker) {
        guard let viewer = viewers[asker.viewer] else { return }
        let own = line.restoringID(asker.originalID)
        guard viewer.isSession else { return viewer.send(raw: own) }
        viewer.send(raw: SnapshotFrames.response(own, clientMessageID: asker.clientMessageID))
    }

    private func refuse(_ asker: CommandRouter.Asker, _ command: String, _ error: String) {
        let record: JSONObject = [
            "id": "", "type": "response", "command": .string(command), "success": false, "error": .string(error),
        ]
        deliver(JSON.object(record).buffer, to: asker)
    }

    private func pumpAll() {
        for viewer in viewers.values { viewer.pump() }
    }

    private func reportActivity() {
        delegate.hub(activity: tracker.activity, queued: router.waitingCount + (state?.pendingMessageCount ?? 0))
    }
}
