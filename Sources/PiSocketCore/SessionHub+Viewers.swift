import HypiNet
import HypiWire
import Logging
import NIOCore
import PiAdapter

/// Viewers that come and go, and how they get into the stream.
extension SessionHub {
    /// A connection opened.
    func arrived(_ viewer: Viewer) {
        viewers[viewer.id] = viewer
        dialogs.cancelTimers()
        tellViewerCount()
    }

    private func tellViewerCount() {
        delegate.hub(viewerCount: viewers.count)
        for viewer in viewers.values where viewer.hearsOfViewers {
            viewer.send(["type": "viewers", "count": .int(viewers.count)])
        }
    }

    /// A connection ended.
    func left(_ viewer: Viewer) {
        guard viewers.removeValue(forKey: viewer.id) != nil else { return }
        snapshots.remove(viewer)
        tellViewerCount()
        scheduleDialogTimeouts()
    }

    /// A viewer wants a snapshot and then the stream.
    ///
    /// One question to pi serves all who wait for its answer.
    func join(_ viewer: Viewer) {
        snapshots.add(.join(viewer))
        askMessages()
    }

    /// A viewer that had begun in the viewport dialect says hello.
    func leaveViewport(_ viewer: Viewer) {
        snapshots.removeJoin(viewer)
        viewer.dialect = .silent
    }

    /// A viewer that speaks pi's own protocol follows from here on; it asks for what it wants to know itself.
    func followLines(_ viewer: Viewer) {
        broadcast.activate(.lines)
        viewer.follow(.lines, from: broadcast.next(.lines))
    }

    /// A viewer wants an older page of the conversation.
    func fetchHistory(_ viewer: Viewer, before: Int?, limit: Int) {
        guard snapshots.count(of: viewer) < SnapshotQueue.viewerLimit else {
            return viewer.close(.policyViolation, "too many requests at once")
        }
        snapshots.add(.history(viewer, before: before, limit: limit))
        askMessages()
    }

    func askMessages() {
        guard pi != nil, !snapshots.isAsking else { return }
        snapshots.isAsking = true
        perform(router.ask(.messages, PiCommand.getMessages))
    }

    /// pi has told its messages, or has not.
    func takeMessages(_ messages: MessageIndex?) {
        guard let messages else { return failSnapshots("pi did not tell its messages") }
        if let type = newBeginning {
            newBeginning = nil
            broadcast.append(["type": .string(type)])
        }
        for waiter in snapshots.takeAll() where !serve(waiter, messages) { snapshots.add(waiter) }
        if !snapshots.isEmpty { askMessages() }
    }

    /// - Returns: Whether what somebody waits for was there: of a long conversation, only what was wanted when pi began to
    ///   tell it.
    private func serve(_ waiter: SnapshotQueue.Waiter, _ messages: MessageIndex) -> Bool {
        switch waiter {
        case .join(let viewer):
            guard let newest = messages.newest(byteLimit: viewer.historyByteLimit) else { return false }
            welcome(viewer, newest)
        case .history(let viewer, let before, let limit):
            guard let page = messages.page(before: before, limit: limit) else { return false }
            viewer.send(raw: SnapshotFrames.historyPage(page))
        }
        return true
    }

    /// Ends the connection of everyone who waits for messages that will not come.
    func failSnapshots(_ reason: String) {
        logger.warning("no snapshot: \(reason)")
        for waiter in snapshots.takeAll() {
            let viewer = waiter.viewer
            if viewer.isSession {
                viewer.send(["type": "error", "code": "PI_PROCESS_ERROR", "message": .string(reason)])
            }
            viewer.close(.internalError, reason)
        }
    }

    /// Sends the snapshot; a viewer that follows already, because the conversation began anew, goes on where it is.
    private func welcome(_ viewer: Viewer, _ slice: MessagesSlice) {
        guard let shape = viewer.shape else { return }
        broadcast.activate(shape, characters: inFlight.halves)
        if shape == .viewport {
            viewer.send(raw: SnapshotFrames.initState(slice, context: snapshotContext(shape)))
            for line in SnapshotFrames.catchUp(inFlight, dialogs.open) { viewer.send(raw: line) }
        } else {
            viewer.send(raw: SnapshotFrames.welcome(slice, resumed: false, context: snapshotContext(shape)))
        }
        if !viewer.isFollowing { viewer.follow(shape, from: broadcast.next(shape)) }
    }

    /// Whether a viewer that has seen everything up to `seq` of this boot can go on without a snapshot.
    func canResume(_ shape: Shape, boot: String?, after seq: Int) -> Bool {
        boot == shape.boot(self.boot) && broadcast.canResume(shape, after: UInt64(clamping: seq))
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
            serverID: serverID, boot: shape.boot(boot), seq: broadcast.next(shape) - 1, state: state,
            activity: activity, blocked: blocked, commands: commands, tools: tools.tools,
            pending: dialogs.open, inFlight: inFlight,
            holdsHalves: shape == .sessionDelta, queued: queued, queue: waitingPrompts)
    }

    /// The number of the oldest frame of a shape that is kept.
    func oldestPosition(_ shape: Shape) -> UInt64 {
        broadcast.oldest(shape)
    }

    /// The number of the next frame of a shape.
    func nextPosition(_ shape: Shape) -> UInt64 {
        broadcast.next(shape)
    }

    /// Frames for a viewer's cursor.
    func read(_ shape: Shape, from cursor: UInt64, upTo limit: UInt64) -> FrameLog.Reading {
        broadcast.read(shape, from: cursor, upTo: limit)
    }

    /// Frames for the cursor of a viewer that takes compressed ones.
    func read(
        _ shape: Shape, from cursor: UInt64, upTo limit: UInt64, with deflated: DeflatedLog, isJoined: inout Bool
    ) -> FrameLog.Reading {
        broadcast.read(shape, from: cursor, upTo: limit, with: deflated, isJoined: &isJoined)
    }

    /// The compressed stream of a shape.
    func deflatedLog(_ shape: Shape, windowBits: Int) -> DeflatedLog? {
        broadcast.deflatedLog(shape, windowBits: windowBits)
    }

    /// A message for one viewer alone, compressed by itself; of those who arrive together many get the same.
    ///
    /// - Returns: `nil` where it is to stay as it is.
    func deflated(_ frame: ByteBuffer, windowBits: Int) -> ByteBuffer? {
        if let last = lastDeflated, last.windowBits == windowBits, last.frame == frame { return last.deflated }
        guard let deflated = FrameDeflation.single(frame, windowBits: windowBits) else { return nil }
        lastDeflated = (windowBits, frame, deflated)
        return deflated
    }

    /// Ends every connection, for a reason, once it has been given what it has not read yet.
    func closeViewers(_ code: CloseCode, _ reason: String) {
        for viewer in viewers.values { viewer.closeWhenDrained(code, reason) }
    }
}
