import HypiWire
import Logging
import NIOCore
import PiAdapter

/// What pi writes.
extension SessionHub {
    /// A pi was started: its input is there, and the first questions go out.
    func started(_ pi: any PiInput) {
        if hasStarted { beginAnew("agent_restarted") }
        hasStarted = true
        self.pi = pi
        splitter = RecordSplitter(limit: Limits.recordBytes)
        resetRun()
        refresh()
        perform(router.ask(.commands, PiCommand.getCommands))
        if !snapshots.isEmpty { askMessages() }
        finishStep()
    }

    /// The conversation is another one than viewers have seen: every one of them gets it anew, behind a frame of this
    /// type.
    ///
    /// pi was started again, and what its predecessor was about to say may not be in the session; or a viewer has gone to
    /// another session.
    func beginAnew(_ type: String) {
        beginningCount += 1
        for viewer in viewers.values where viewer.isFollowing && viewer.shape != .lines {
            newBeginning = type
            snapshots.removeJoin(viewer)
            snapshots.add(.join(viewer))
        }
    }

    /// Bytes of pi's stdout arrived.
    func received(_ bytes: ByteBuffer) {
        guard let rest = takeConversation(bytes) else { return }
        splitter.append(rest)
        broadcast.beginStep()
        while let output = splitter.next() {
            isRecordLookedAt = false
            take(output)
        }
        beginConversation()
        finishStep()
    }

    /// pi's stdout ended: a last line without LF counts.
    func outputEnded() {
        // One that is cut off is asked for again, of the next pi.
        if intake?.isComplete == true { finishConversation() }
        intake = nil
        if let last = splitter.finish() { take(last) }
        finishStep()
    }

    /// Tells viewers, who stay, that pi is gone; nothing that waited is sent again.
    func piExited(_ exit: PiExit, isRestarting: Bool) {
        pi = nil
        tellEnds()
        snapshots.isAsking = false
        resetRun()
        perform(router.piExited(isRestarting: isRestarting && blocked == nil))
        for id in dialogs.closeAll() { broadcast.append(["type": "extension_ui_resolved", "id": id]) }
        broadcast.forgetUpdates()
        var frame: JSONObject = ["type": "agent_exit"]
        frame["code"] = exit.code.map { .int($0) }
        frame["signal"] = exit.signal.map { .int($0) }
        frame["stderr"] = .string(exit.lastWords)
        frame["restarting"] = .bool(isRestarting)
        broadcast.append(frame)
        finishStep()
    }

    private func resetRun() {
        intake = nil
        isRecordLookedAt = false
        tracker = ActivityTracker()
        tracker.setBlocked(blocked != nil)
        inFlight = InFlight()
        hasUnsettledRun = false
        settleTimer?.cancel()
        settleTimer = nil
    }

    private func take(_ output: RecordSplitter.Output) {
        switch output {
        case .oversized(let byteCount):
            logger.warning("record of pi is too long and was dropped", metadata: ["bytes": "\(byteCount)"])
            // It may have been the conversation; who waits for that must not wait for ever.
            if snapshots.isAsking, byteCount > Limits.recordBytes { failSnapshots("the conversation is too long") }
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
        if tools.takes(record) { return }
        // Viewers know the command by the id that its sender gave it.
        let record = record.kind == .bashUpdate ? withOwnID(record) : record
        tracker.apply(record)
        inFlight.apply(record)
        forward(record)
        switch record.kind {
        case .agentStart:
            failure = nil
            runNumber += 1
            repeatedAborts = 0
            perform(router.runBegan())
            if blocked != nil { abortForGuard() }
        case .messageEnd where record.isOfAssistant: failure = record.failure
        case .uiRequest: opened(record)
        case .messageStart where state?.pendingMessageCount ?? 0 > 0:
            // It may be what waited; before 0.79 pi does not say so.
            perform(router.ask(.state, PiCommand.getState))
        case .turnEnd, .queueUpdate, .sessionInfoChanged, .thinkingLevelChanged: refresh()
        case .entryAppended:
            // A message has left the context.
            if record.value(of: "entry")?.value(of: "type") == ByteBuffer(string: "\"context_edit\"") { refresh() }
        default: break
        }
        confirmEnd(after: record.kind)
        for trip in guards.apply(record) { trippedGuard(trip) }
        watchSettling(hasSaidSo: record.kind == .agentSettled)
    }

    private func withOwnID(_ record: PiRecord) -> PiRecord {
        guard let id = record.value(of: "id").flatMap({ try? JSON(parsing: $0) })?.string,
            let asker = router.asker(of: id)
        else { return record }
        return PiRecord(line: record.line.restoringID(asker.originalID)) ?? record
    }

    /// To every viewer, unchanged.
    func forward(_ record: PiRecord) {
        guard broadcast.append(record, at: .now()) else { return }
        eventLoop.assumeIsolated().scheduleTask(in: Broadcast.holdTime) {
            self.broadcast.flushHeldUpdates(at: .now())
            self.finishStep()
        }
    }

    /// Asks pi for what the roster shows.
    func refresh() {
        perform(router.ask(.state, PiCommand.getState))
        perform(router.ask(.stats, PiCommand.getStats))
    }

    /// The same after something that costs: what it did counts as going on until pi has said how much.
    func refreshAfterwards() {
        perform(router.ask(.state, PiCommand.getState))
        owedStats += 1
        perform(router.ask(.sessionStats, PiCommand.getStats))
    }

    // MARK: The end of a run

    /// Asks whether a run is over of a pi that may not say so itself.
    private func confirmEnd(after kind: PiRecord.Kind) {
        switch kind {
        case .agentEnd, .retryEnd, .compactionEnd, .autoCompactionEnd:
            if tracker.needsConfirmation { perform(router.ask(.end, PiCommand.getState)) }
        default: break
        }
    }

    /// pi still streams: it has not come to its own end, or says `agent_settled` in a moment.
    func confirmEndLater() {
        eventLoop.assumeIsolated().scheduleTask(in: Self.settleTime) {
            guard self.tracker.needsConfirmation else { return }
            self.perform(self.router.ask(.end, PiCommand.getState))
        }
    }

    /// Tells the end of a run once nothing follows it.
    ///
    /// A pi that has `agent_settled` says so. Of an older one a moment of idleness does, since `agent_end` comes before `auto_retry_start` and `auto_compaction_start`.
    func watchSettling(hasSaidSo: Bool = false) {
        if tracker.isBusy { hasUnsettledRun = true }
        guard hasUnsettledRun, tracker.isAtRest else { return }
        if hasSaidSo { return settled() }
        guard settleTimer == nil else { return }
        settleTimer = eventLoop.assumeIsolated().scheduleTask(in: Self.settleTime) {
            self.settleTimer = nil
            guard self.hasUnsettledRun, self.tracker.isAtRest else { return }
            self.settled()
            self.finishStep()
        }
    }

    private func settled() {
        hasUnsettledRun = false
        ended(failure.map { .failed($0) } ?? .settled)
        failure = nil
    }
}
