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
/// Viewer -> ViewerFrames -> CommandRouter [PromptQueue, CommandGate] -> PiProcess
/// ```
final class SessionHub {
    /// The time a pi without `agent_settled` has to begin a retry or a compaction before its run counts as over.
    static let settleTime = TimeAmount.milliseconds(100)

    /// The time a run has to end after its abort was answered.
    static let abortTime = TimeAmount.milliseconds(500)
    /// How often an abort is sent again.
    static let repeatedAbortLimit = 3

    let eventLoop: any EventLoop
    let logger: Logger
    private let processBoot: String
    let serverID: String
    let lister: FileLister
    let delegate: any SessionHubDelegate
    let uiTimeout: TimeAmount?

    var splitter = RecordSplitter(limit: Limits.recordBytes)
    /// The conversation, while pi tells it.
    var intake: MessagesIntake?
    /// Whether the record whose end has not come was found to be something else.
    var isRecordLookedAt = false
    /// Bytes of a record without an end before it is looked at.
    var intakeThreshold = 32 << 10
    var tracker = ActivityTracker()
    var inFlight = InFlight()
    var dialogs = DialogBook()
    var broadcast: Broadcast
    var router = CommandRouter()
    var tools = ToolCatalogue()
    var viewers: [ViewerID: Viewer] = [:]
    var snapshots = SnapshotQueue()
    var pi: (any PiInput)?
    /// Whether there has been a pi.
    var hasStarted = false
    /// How many conversations there have been before this one.
    var beginningCount = 0
    /// The type of the frame that says why the conversation is another one, while viewers have not got it yet.
    var newBeginning: String?
    var state: PiState?
    var commands: [JSON] = []
    var isStopping = false
    /// Why a guard holds the agent back, if one does.
    var blocked: String?
    var guards: GuardSet
    /// Counts runs, so that a late abort is not for the next one.
    var runNumber = 0
    /// Aborts of the current run that were sent again.
    var repeatedAborts = 0
    var hasUnsettledRun = false
    var settleTimer: Scheduled<Void>?
    private var lastViewerID: ViewerID = 0
    /// What was last compressed for one viewer alone, until the end of the step.
    var lastDeflated: (windowBits: Int, frame: ByteBuffer, deflated: ByteBuffer)?
    /// Questions after what something has cost that pi has not answered; until then what it did counts as going on.
    var owedStats = 0
    /// What pi has told and the delegate has not been given.
    var news = SessionNews()
    private var happenings: [SessionHappening] = []
    /// Runs that ended and whose cost pi has not told yet, oldest first.
    private var ends: [SessionHappening] = []
    /// Why the newest answer of the model is none, if so.
    var failure: String?
    private var reported: SessionNews.Status?

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

    /// Names the stream of one conversation of one pi: what a viewer has of another, it does not go on from.
    var boot: String {
        beginningCount == 0 ? processBoot : "\(processBoot).\(beginningCount)"
    }

    /// Messages that wait, here and in pi.
    var queued: Int {
        router.waitingCount.addingClamped(max(0, state?.pendingMessageCount ?? 0))
    }

    /// Whether pi has been given everything that viewers want of it.
    var isNothingWaiting: Bool {
        router.waitingCount == 0
    }

    /// Lets every viewer write what it can, and tells the delegate what changed; at the end of everything that happens.
    func finishStep() {
        perform(router.drain(condition))
        for viewer in viewers.values { viewer.pump() }
        lastDeflated = nil
        broadcast.endStep()
        let now = SessionNews.Status(activity: activity, queued: queued, isUp: tracker.hasAnswered)
        if reported != now || !news.isEmpty {
            reported = now
            delegate.hub(status: now, news: news.take())
        }
        let happened = happenings
        happenings = []
        for happening in happened { delegate.hub(happened: happening) }
    }

    /// Something happened; it is told at the end of the step, when it is known what the agent does now.
    func happened(_ happening: SessionHappening) {
        happenings.append(happening)
    }

    /// A run ended: pi is asked what it cost, and its answer tells the end.
    ///
    /// What is told otherwise are the figures of before the run, to a hook that wants to write down what it cost.
    func ended(_ end: SessionHappening) {
        ends.append(end)
        perform(router.ask(.state, PiCommand.getState))
        owedStats += 1
        perform(router.ask(.finalStats, PiCommand.getStats))
    }

    /// pi has told what the oldest of the runs that ended has cost.
    func tellEnd() {
        if !ends.isEmpty { happened(ends.removeFirst()) }
    }

    /// pi is gone and tells nothing more.
    func tellEnds() {
        owedStats = 0
        while !ends.isEmpty { tellEnd() }
    }

    /// What the agent does.
    ///
    /// A prompt that was written counts before its run has begun: whoever has got its answer must not find the agent idle.
    /// A run counts until its cost is known, so that nobody sees an idle agent with the figures of before.
    var activity: Node.Activity {
        if isStopping { return .stopping }
        guard tracker.activity == .idle else { return tracker.activity }
        if router.isBeginning || hasUnsettledRun || !ends.isEmpty { return .working }
        if owedStats > 0, let before = reported?.activity, [.working, .compacting].contains(before) { return before }
        return .idle
    }
}
