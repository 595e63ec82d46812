import HypiWire
import Logging
import NIOCore
import PiAdapter

/// What pi answers.
extension SessionHub {
    /// Takes an answer.
    ///
    /// - Parameters:
    ///   - response: The answer.
    ///   - record: The record that it is.
    ///   - messages: The conversation, where the answer told it and it was read apart from the record.
    func take(_ response: PiResponse, of record: PiRecord, messages: MessageIndex? = nil) {
        guard let answer = router.answered(response, pi: condition) else {
            // Not ours to judge: an extension may have written it, or a program behind `--stdio` has asked in a way
            // that pi answers without an id.
            forward(record)
            return
        }
        tracker.answered(answer.type, success: response.success)
        perform(answer.actions)
        if let question = answer.question {
            take(response, to: question, messages)
        } else if response.success {
            switch PiCommand.handling(answer.type) {
            case .replacesSession:
                inFlight = InFlight()
                refreshAfterwards()
                if goesElsewhere(answer.type, response) {
                    beginAnew("session_changed")
                    askMessages()
                }
            case .changesState, .steer, .followUp, .clearsQueue:
                if answer.type == "set_session_name" { news.isRenamed = true }
                refresh()
            case .prompt:
                // Steering waits in pi.
                if tracker.isBusy { perform(router.ask(.state, PiCommand.getState)) }
            case .abort, .plain: break
            }
        }
        if answer.type == "abort", response.success { watchAbort() }
        watchSettling()
    }

    /// Whether pi has left the conversation that viewers have on their screens; an extension may have kept it there.
    private func goesElsewhere(_ type: String, _ response: PiResponse) -> Bool {
        let data = response.data.flatMap { try? JSON(parsing: $0) }
        return PiCommand.changesSession(type) && data?["cancelled"]?.bool != true
    }

    /// A real pi loses an abort that comes too soon, and says that it was done (records real-0.58.3, 06e): if the run
    /// goes on, it is sent again.
    private func watchAbort() {
        guard tracker.isBusy, repeatedAborts < Self.repeatedAbortLimit || blocked != nil else { return }
        repeatedAborts += 1
        let run = runNumber
        eventLoop.assumeIsolated().scheduleTask(in: Self.abortTime) {
            guard self.runNumber == run, self.tracker.isBusy else { return }
            self.perform(self.router.ask(.abort, PiCommand.abort))
        }
    }

    private func take(
        _ response: PiResponse, to question: CommandRouter.OwnQuestion, _ messages: MessageIndex?
    ) {
        switch question {
        case .messages: takeMessages(response.success ? messages ?? response.messages.map(MessageIndex.init) : nil)
        case .state, .gateProbe, .order, .end: takeState(response, question)
        case .stats, .finalStats, .sessionStats: takeStats(response, question)
        case .commands: takeCommands(response)
        case .tools, .abort, .clearQueue: break
        }
    }

    private func data(_ response: PiResponse) -> JSON? {
        guard response.success, let data = response.data.flatMap({ try? JSON(parsing: $0) }) else {
            logger.debug("pi refused a question of ours", metadata: ["command": "\(response.command ?? "-")"])
            return nil
        }
        return data
    }

    private func takeState(_ response: PiResponse, _ question: CommandRouter.OwnQuestion) {
        if let data = data(response) {
            let state = PiState(data)
            self.state = state
            tracker.corrected(isStreaming: state.isStreaming, isCompacting: state.isCompacting)
            news.state = state
        }
        if question == .gateProbe { perform(router.probed(condition)) }
        if question == .end, tracker.needsConfirmation { confirmEndLater() }
    }

    private func takeStats(_ response: PiResponse, _ question: CommandRouter.OwnQuestion) {
        let stats = data(response).map(PiStats.init)
        if let stats { news.stats = stats }
        if question != .stats { owedStats = max(0, owedStats - 1) }
        // The run ended before its cost stops the agent.
        if question == .finalStats { tellEnd() }
        if let trip = guards.apply(cost: stats?.cost) { trippedGuard(trip) }
    }

    private func takeCommands(_ response: PiResponse) {
        guard let all = data(response)?["commands"]?.array else { return }
        commands = all.filter { !ToolCatalogue.isOwn($0) }
        if commands.count < all.count { perform(router.ask(.tools, ToolCatalogue.question)) }
    }

    // MARK: Guards

    /// A guard stops the agent: the run is aborted and nothing new begins before a person says so.
    func trippedGuard(_ trip: GuardTrip) {
        // What pi has begun all the same is stopped as well.
        guard blocked == nil else { return abortForGuard() }
        blocked = trip.detail
        tracker.setBlocked(true)
        perform(router.refuseWaiting(Self.blockedError(trip.detail)))
        abortForGuard()
        broadcast.append(["type": "guard", "guard": .string(trip.name), "detail": .string(trip.detail)])
        happened(.guarded(trip))
        finishStep()
    }

    /// Ends what runs, and what pi would begin afterwards: before 0.87 it continues with what waits in it.
    func abortForGuard() {
        guard tracker.isBusy || tracker.isCompacting else { return }
        perform(router.ask(.clearQueue, PiCommand.clearQueue))
        perform(router.ask(.abort, PiCommand.abort))
    }

    /// Why a blocked agent takes no prompt.
    static func blockedError(_ detail: String) -> String {
        "a guard has stopped the agent: \(detail) (/resume in the chat lets it go on)"
    }

    /// A person lets a blocked agent go on.
    func resume() {
        guard blocked != nil else { return }
        blocked = nil
        guards.resume()
        tracker.setBlocked(false)
        broadcast.append(["type": "guard_resumed"])
        finishStep()
    }
}
