import HypiWire

/// A run of the agent: turns until nothing is asked of it any more, attempts after failures, compaction.
extension Agent {
    /// How a run of turns ended.
    private enum Outcome {
        case done
        case aborted
        case failed(String, isRetryable: Bool)
    }

    static let maxAttempts = 3

    /// Starts a run with these messages, and what waits to be steered in.
    func begin(_ prompts: [JSON]) {
        isStreaming = true
        run = start { agent in await agent.runUntilSettled(prompts) }
    }

    private func runUntilSettled(_ prompts: [JSON]) async {
        var input = prompts
        var attempt = 0
        while true {
            switch await runTurns(input, attempt: attempt) {
            case .failed(let error, isRetryable: true) where isAutoRetrying:
                guard attempt < Self.maxAttempts else {
                    endRetry(attempt, error)
                    break
                }
                attempt += 1
                guard await waitToRetry(attempt, error) else {
                    endRetry(attempt, "Retry cancelled")
                    break
                }
                session.dropLastMessage()
                (input, interjection) = (interjection, [])
                continue
            case .aborted where wire == .v0_84 && !isMuted && !inputHasEnded:
                // pi 0.84 continues with what is queued. 0.58, 0.87 and 1.0 keep it for the next prompt.
                if !steering.waiting.isEmpty || !followUps.waiting.isEmpty {
                    continueInNewRun(takeQueued())
                    return
                }
            case .done: await compactIfNeeded()
            default: break
            }
            break
        }
        settle()
    }

    /// Continues with what is queued after an abort, in a task of its own since a cancelled one stays cancelled.
    private func continueInNewRun(_ input: [JSON]) {
        run = start { agent in await agent.runUntilSettled(input) }
    }

    private func settle() {
        for message in waitingBash { session.append(message: message) }
        waitingBash = []
        isStreaming = false
        run = nil
        emit(since: .v0_84, ["type": "agent_settled"])
    }

    private func endRetry(_ attempt: Int, _ error: String) {
        emit([
            "type": "auto_retry_end", "success": false, "attempt": .int(attempt), "finalError": .string(error),
        ])
    }

    /// Waits before an attempt; `false` if somebody cancelled it.
    private func waitToRetry(_ attempt: Int, _ error: String) async -> Bool {
        let delay = 100 << attempt
        emit([
            "type": "auto_retry_start", "attempt": .int(attempt), "maxAttempts": .int(Self.maxAttempts),
            "delayMs": .int(delay), "errorMessage": .string(error),
        ])
        if wire >= .v0_87 { emit(["type": "entry_appended", "entry": session.editOutLastMessage()]) }
        if wire < .v0_84 { isStreaming = false }
        defer { (retryDelay, isStreaming) = (nil, true) }
        let wait = Task { try await Task.sleep(for: .milliseconds(delay)) }
        retryDelay = wait
        let result = await withTaskCancellationHandler(operation: { await wait.result }, onCancel: { wait.cancel() })
        if case .success = result { return true }
        return !interjection.isEmpty
    }

    /// Turns until the model calls no more tools and nothing waits.
    private func runTurns(_ input: [JSON], attempt: Int) async -> Outcome {
        emit(["type": "agent_start"])
        var new: [JSON] = []
        var outcome = Outcome.done
        // What was steered in while nothing ran goes behind the prompt.
        var pending = input + (attempt == 0 ? takeSteering() : [])
        repeat {
            emit(["type": "turn_start"])
            if wire >= .v0_87, !session.hasInstructions { deliver(Message.system(cwd: directory.cwd), &new) }
            pending.forEach { deliver($0, &new) }
            let (message, ending) = await answer(attempt)
            new.append(message.json)
            if attempt > 0, ending == .complete {
                emit(["type": "auto_retry_end", "success": true, "attempt": .int(attempt)])
            }
            let results = ending == .complete ? await runTools(message.toolCalls) : []
            new += results
            emit(["type": "turn_end", "message": message.json, "toolResults": .array(results)])
            guard ending == .complete else {
                outcome = Self.outcome(message, ending)
                break
            }
            pending = Task.isCancelled ? [] : takeSteering()
            if pending.isEmpty, results.isEmpty { pending = Task.isCancelled ? [] : takeFollowUps() }
            if pending.isEmpty, results.isEmpty { break }
        } while true
        emitEnd(new, outcome, attempt)
        return outcome
    }

    private static func outcome(_ message: AssistantMessage, _ ending: Reply.Ending) -> Outcome {
        guard case .failure(let error, let isRetryable) = ending, message.stopReason == .error else { return .aborted }
        return .failed(error, isRetryable: isRetryable)
    }

    private func emitEnd(_ messages: [JSON], _ outcome: Outcome, _ attempt: Int) {
        var end: JSONObject = ["type": "agent_end", "messages": .array(messages)]
        if wire >= .v0_79 {
            var willRetry = false
            if case .failed(_, isRetryable: true) = outcome { willRetry = isAutoRetrying && attempt < Self.maxAttempts }
            end["willRetry"] = .bool(willRetry)
        }
        emit(.object(end))
    }

    private func deliver(_ message: JSON, _ new: inout [JSON]) {
        emit(["type": "message_start", "message": message])
        emit(["type": "message_end", "message": message])
        session.append(message: message)
        new.append(message)
    }

    private func takeSteering() -> [JSON] {
        taking { $0.steering.take() }
    }

    /// Takes the follow-ups that begin a run; what is to be steered in is taken by the run itself.
    func takeQueued() -> [JSON] {
        steering.waiting.isEmpty ? takeFollowUps() : []
    }

    private func takeFollowUps() -> [JSON] {
        taking { $0.followUps.take() }
    }

    private func taking(_ take: (isolated Agent) -> [JSON]) -> [JSON] {
        let messages = take(self)
        if !messages.isEmpty { emitQueue() }
        return messages
    }

    /// Tells what waits, after every change of it.
    func emitQueue() {
        emit(since: .v0_79, ["type": "queue_update", "steering": steering.texts, "followUp": followUps.texts])
    }

    /// Stops the run in silence, because its session is being left; pi shows nothing but the answer to the command.
    func abandonRun() async {
        guard let run else { return }
        isMuted = true
        run.cancel()
        await run.value
        isMuted = false
    }
}
