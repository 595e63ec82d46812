import HypiWire
import NIOCore
import PiAdapter

/// The prompts that wait, as viewers see them, and the answers that go to single viewers.
extension SessionHub {
    /// What pi does at the moment, for the router.
    var condition: CommandRouter.Condition {
        CommandRouter.Condition(
            isBusy: tracker.isBusy, isCompacting: tracker.isCompacting,
            // A guard judges what the last run has cost before the next one begins.
            mayBegin: pi != nil && tracker.isAtRest && !hasUnsettledRun && owedStats == 0 && blocked == nil
                && !isStopping)
    }

    /// The prompts that wait, oldest first.
    var waitingPrompts: [JSON] {
        router.queue.list
    }

    /// Does what the router decided.
    func perform(_ actions: [CommandRouter.Action]) {
        for action in actions {
            switch action {
            case .write(let line): pi?.write(line: line)
            case .sent(let type): tracker.sent(type)
            case .probe(let isLater): probe(isLater: isLater)
            case .refuse(let asker, let command, let error): deliver(PiCommand.refusal(of: command, error), to: asker)
            case .deliver(let asker, let line): deliver(line, to: asker)
            case .queueChanged(let change): tell(change)
            }
        }
    }

    private func probe(isLater: Bool) {
        guard isLater else { return perform(router.ask(.gateProbe, PiCommand.getState)) }
        eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(100)) {
            self.perform(self.router.ask(.gateProbe, PiCommand.getState))
        }
    }

    private func deliver(_ line: ByteBuffer, to asker: CommandRouter.Asker) {
        guard let viewer = viewers[asker.viewer] ?? successor(of: asker) else { return }
        // A program that takes us for pi expects one answer, and a second one only when the first was wrong.
        if asker.wasQueued, asker.takesUsForPi, line.value(of: "success") == ByteBuffer(string: "true") { return }
        let own = line.restoringID(asker.originalID)
        guard viewer.isSession else { return viewer.send(raw: own) }
        viewer.send(raw: SnapshotFrames.response(own, clientMessageID: asker.clientMessageID))
    }

    /// The newer connection of a client that has lost the one on which it asked.
    private func successor(of asker: CommandRouter.Asker) -> Viewer? {
        guard !asker.clientID.isEmpty, asker.clientMessageID != nil else { return nil }
        return viewers.values.first { $0.isSession && $0.clientID == asker.clientID }
    }

    private func tell(_ change: CommandRouter.QueueChange) {
        var frame: JSONObject = ["type": "queue", "waiting": .array(waitingPrompts)]
        switch change {
        case .added: break
        case .started(let id): frame["started"] = .string(id)
        case .removed(let ids, let reason):
            frame["removed"] = .array(ids.map(JSON.string))
            frame["reason"] = .string(reason)
        }
        broadcast.append(frame)
    }

    /// A viewer takes a waiting prompt back.
    func removeQueued(_ id: String, for viewer: Viewer) {
        var answer: JSONObject = ["type": "queue_removed", "id": .string(id), "removed": false]
        if let (command, actions) = router.remove(id: id) {
            answer["removed"] = true
            answer["message"] = command["message"] ?? ""
            answer["images"] = command["images"]
            perform(actions)
        }
        viewer.send(answer)
        finishStep()
    }
}
