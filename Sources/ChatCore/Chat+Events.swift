import HypiWire
import PiAdapter

/// What the agent says.
extension Chat {
    func handle(_ event: AgentEvent) {
        changed()
        let now = ContinuousClock.now
        switch event.kind {
        case .welcome(let welcome): welcomed(welcome, now)
        case .resumed(let welcome):
            trouble = nil
            setWaiting(welcome.queue)
            setDialogs(welcome.pending)
        case .record(let record): take(record, now)
        case .dialog(let dialog): asked(dialog)
        case .dialogResolved(let id): resolved(id)
        case .response(let id, let response):
            // A failed prompt is answered twice by old versions: the reply stays for the second one.
            let isAccepted = response["command"]?.string == "prompt" && response["success"]?.bool == true
            let reply = isAccepted ? replies[id] : replies.removeValue(forKey: id)
            // One that waits in the bridge is answered again at its turn, after the run that is over now.
            let isQueued = response["data"]?["disposition"]?.string == "queued"
            if isAccepted, !isQueued { acceptedPrompts.append(id) }
            reply?(self, response)
        case .agentExit(let exit):
            let exit = AgentExit(exit)
            transcript.warn(exit.summary)
            if exit.isRestarting { setRunning(false) } else { agentEnded() }
        case .guarded(let guarded):
            transcript.warn("a guard stopped the agent: \(guarded["detail"]?.string ?? guarded.text) (/resume)")
        case .refused(_, let message): transcript.warn(message)
        case .lost(let reason, let delay):
            trouble = "\(reason); trying again in \(ToolLine.duration(delay)); what you type is kept"
        case .other(let frame): answered(frame)
        }
    }

    private func take(_ record: JSON, _ now: ContinuousClock.Instant) {
        let kind = PiRecord.Kind(rawValue: record["type"]?.string ?? "") ?? .other
        if kind == .messageEnd, let message = record["message"], let model = message["model"]?.string {
            footer.model = message["provider"]?.string.map { "\($0)/\(model)" } ?? model
        }
        if kind == .bashUpdate, let bash { transcript.feedBash(bash.id, record) }
        transcript.apply(record, now: now)
        if kind == .queueUpdate {
            queue = [record["steering"], record["followUp"]].flatMap { $0?.array ?? [] }
                .compactMap { $0.string.map(Self.waiting) }
        }
        if kind == .messageStart, record["message"]?["role"]?.string == "user",
            let index = queue.firstIndex(of: Self.waiting(MessageText.plain(record["message"] ?? .null)))
        {
            queue.remove(at: index)
        }
        switch watch.apply(kind, record) {
        case .maybeOver:
            send(["type": "get_state"]) { chat, response in
                chat.settle(chat.watch.confirm(PiState(response["data"] ?? .null)))
            }
        // An extension may have changed the words of a prompt, so that its message was not known again.
        case .over: forgetPrompts()
        case .running, nil: break
        }
        settle(!isBusy)
    }

    /// A prompt as it is shown while it waits: without attached files, and not longer than anybody reads.
    static func waiting(_ text: String) -> String {
        let typed = text.firstRange(of: AttachedFile.opening).map { text[..<$0.lowerBound] } ?? text[...]
        return String(typed.unicodeScalars.prefix(500))
    }

    /// What waited is over, and no second answer to a prompt will come.
    private func forgetPrompts() {
        queue = []
        for id in acceptedPrompts { replies[id] = nil }
        acceptedPrompts = []
    }

    private func settle(_ isIdle: Bool) {
        changed()
        if isIdle, busySince != nil { learnStats() }
        if isIdle { busySince = nil } else { busySince = busySince ?? .now }
    }

    func setRunning(_ isRunning: Bool) {
        watch = RunWatch(isRunning: isRunning)
        if !isRunning { forgetPrompts() }
        settle(!isRunning)
    }

    // MARK: Arriving

    private func welcomed(_ welcome: Welcome, _ now: ContinuousClock.Instant) {
        trouble = nil
        learnCommands(welcome.commands ?? [])
        if hasJoined, !transcript.isReplaced {
            transcript.rejoin(welcome, now: now)
        } else if hasJoined {
            transcript.replace(welcome, now: now)
            showHistory(welcome)
        } else {
            hasJoined = true
            transcript.join(welcome, now: now)
            show(header(welcome))
            showHistory(welcome)
        }
        setRunning(welcome.isBusy)
        setWaiting(welcome.queue)
        setDialogs(welcome.pending)
        agentIsBack()
        let state = PiState(welcome.state)
        footer.model = state.model ?? footer.model
        sessionFile = state.sessionFile ?? sessionFile ?? surroundings.node?.sessionFile
        learnStats()
        send(["type": "get_viewers"]) { chat, response in
            if let count = response["data"]?["count"]?.int { chat.took(viewerCount: count) }
        }
    }

    /// Asks what the session has cost so far.
    private func learnStats() {
        send(["type": "get_session_stats"]) { chat, response in
            guard let data = response["data"] else { return }
            let stats = PiStats(data)
            (chat.footer.cost, chat.footer.contextPercent) = (stats.cost, stats.contextPercent)
            chat.changed()
        }
    }

    private func took(viewerCount: Int) {
        footer.others = max(0, viewerCount - 1)
        changed()
    }

    private func setWaiting(_ list: [JSON]) {
        waiting = list.compactMap { $0["message"]?.string.map(Self.waiting) }
    }

    /// Takes pi's commands; a bridge that has just begun does not know them itself.
    private func learnCommands(_ commands: [JSON]) {
        guard commands.isEmpty else { return setCommands(commands) }
        send(["type": "get_commands"]) { chat, response in
            chat.setCommands(response["data"]?["commands"]?.array ?? [])
        }
    }

    private func setCommands(_ commands: [JSON]) {
        completion.setCommands(commands)
        let lines = undecided
        undecided = []
        for line in lines { obey(line) }
        changed()
    }

    private func show(_ lines: [ScreenLine]) {
        for line in lines { transcript.add(line) }
    }

    private func header(_ welcome: Welcome) -> [ScreenLine] {
        let node = surroundings.node
        let state = PiState(welcome.state)
        let others = (node?.clients ?? 0)
        let cost = node?.cost.flatMap(Footer.money)
        let parts: [String?] = [
            node.map { "\(surroundings.shorten($0.cwd)) on \($0.machine)" }, state.model ?? node?.model, cost,
            node?.contextPercent.flatMap(Footer.percent).map { "\($0) of context" },
            others > 0 ? "\(others) other\(others == 1 ? "" : "s") watching" : nil,
        ]
        let name = node?.name ?? state.sessionName ?? surroundings.name
        let rest = parts.compactMap { $0 }.joined(separator: " · ")
        return [
            ScreenLine(
                text: style.bold(Markdown.printable(name))
                    + (rest.isEmpty ? "" : style.dim(" · " + Markdown.printable(rest))), wrapping: .words(hang: 2)),
            ScreenLine(
                text: style.dim("/help lists commands and keys; Ctrl-D leaves, the agent keeps running"),
                wrapping: .words(hang: 2)),
        ]
    }

    private func showHistory(_ welcome: Welcome) {
        earlierCount = welcome.earlierCount
        earlierLines = transcript.history(welcome.messages)
        let page = takePage()
        if !earlierLines.isEmpty || earlierCount > 0 { transcript.note("/more for earlier messages") }
        show(page)
    }

    /// The newest page of what was not shown yet.
    func takePage() -> [ScreenLine] {
        var room = max(4, renderer.rows - 6)
        var page: [ScreenLine] = []
        while let line = earlierLines.last {
            room -= line.height(width: renderer.columns)
            if room < 0, !page.isEmpty { break }
            page.append(line)
            earlierLines.removeLast()
        }
        return page.reversed()
    }

    /// Earlier messages, from what we have or from the agent.
    func more() {
        if earlierLines.isEmpty {
            guard earlierCount > 0 else { return transcript.note("this is the beginning") }
            outlet.yield(.frame(["type": "fetch_history", "before": .int(earlierCount), "limit": 50]))
            return
        }
        let page = takePage()
        transcript.note("earlier:")
        show(page)
        transcript.note(
            earlierLines.isEmpty && earlierCount == 0 ? "the beginning was above" : "/more for earlier ones")
    }

    private func answered(_ frame: JSON) {
        switch frame["type"]?.string {
        case "history_page":
            earlierCount = frame["oldestIndex"]?.int ?? 0
            earlierLines = transcript.history(frame["messages"]?.array ?? [])
            if !earlierLines.isEmpty { more() }
        case "agent_restarted": transcript.note("pi is back")
        case "session_changed": transcript.replaced()
        case "queue": setWaiting(frame["waiting"]?.array ?? [])
        case "viewers": took(viewerCount: frame["count"]?.int ?? 1)
        case "guard_resumed": transcript.note("the guard was lifted")
        case "files_list": took(files: frame["files"]?.array ?? [])
        default: break
        }
    }
}
