import HypiWire

/// Where each line of stdin goes.
extension Agent {
    /// Takes one line: answers it, or starts what will answer it.
    func receive(_ line: [UInt8]) async {
        let text = String(decoding: line, as: UTF8.self)
        guard let record = try? JSON(parsing: text) else {
            return send(Command.failure(nil, "parse", "Failed to parse command: \(ParseFailure(text).message)"))
        }
        guard !record.isNull else {
            let error = "Failed to parse command: Cannot read properties of null (reading 'type')"
            return send(Command.failure(nil, "parse", error))
        }
        let command = Command(record)
        switch command.type?.string {
        case "extension_ui_response": takeAnswer(command)
        case "prompt": prompt(command)
        case "steer": enqueue(command, steer: true)
        case "follow_up": enqueue(command, steer: false)
        case "abort": start { agent in await agent.abort(command) }
        case "bash": startBash(command)
        case "abort_bash":
            for task in bashCommands.values { task.cancel() }
            send(command.success())
        case "compact": start { agent in await agent.compact(command) }
        default:
            if await !manageSession(command), !query(command), !change(command) { refuseUnknown(command) }
        }
    }

    private func refuseUnknown(_ command: Command) {
        let error = "Unknown command: \(FieldFault.interpolated(command.type))"
        send(Command.failure(wire < .v0_84 ? nil : command.id, command.type, error))
    }

    /// Answers a command that threw in pi: before 0.79 without its id and as if it had not been parsed.
    func fail(_ command: Command, _ error: String) {
        if wire < .v0_79 {
            send(Command.failure(nil, "parse", "Failed to parse command: \(error)"))
        } else {
            send(command.failure(error))
        }
    }

    // MARK: Prompts

    private func prompt(_ command: Command) {
        guard let text = command["message"]?.string else {
            return refuse(command, FieldFault.calling("startsWith", on: command["message"], "text"))
        }
        let order: SlashCommand?
        do {
            order = try SlashCommand.parse(text)
        } catch {
            send([
                "type": "extension_error", "extensionPath": .string("command:\(error.command)"), "event": "command",
                "error": .string(error.reason),
            ])
            return accept(command, .handled)
        }
        if let order, performAtOnce(order, command) { return }
        let message = Message.user(text, images: command["images"]?.array ?? [])
        if isStreaming {
            queue(message, command)
        } else if retryDelay != nil {
            // Only before 0.84 is the wait between attempts open to prompts; the next attempt takes it along.
            accept(command, .started)
            interjection.append(message)
            retryDelay?.cancel()
        } else {
            accept(command, .started)
            begin([message])
        }
    }

    private func queue(_ message: JSON, _ command: Command) {
        switch command["streamingBehavior"]?.string {
        case "steer": steering.append(message)
        case "followUp": followUps.append(message)
        default:
            let how = "Specify streamingBehavior ('steer' or 'followUp') to queue the message."
            return refuse(command, "Agent is already processing. \(how)")
        }
        emitQueue()
        accept(command, .queued)
    }

    /// Refuses a prompt; before 0.79 pi says afterwards that it was accepted.
    private func refuse(_ command: Command, _ error: String) {
        send(command.failure(error))
        if wire < .v0_79 { send(command.success()) }
    }

    private func enqueue(_ command: Command, steer: Bool) {
        guard let text = command["message"]?.string else {
            return fail(command, FieldFault.calling("startsWith", on: command["message"], "text"))
        }
        if let order = try? SlashCommand.parse(text), order.isExtensionCommand {
            let name = text.prefix { !$0.isWhitespace }
            let how = "Use prompt() or execute the command when not streaming."
            return fail(command, "Extension command \"\(name)\" cannot be queued. \(how)")
        }
        let message = Message.user(text, images: command["images"]?.array ?? [])
        if steer { steering.append(message) } else { followUps.append(message) }
        emitQueue()
        accept(command, .queued)
    }

    /// Aborts the run and what follows from it, and answers when nothing is left.
    private func abort(_ command: Command) async {
        if let retryDelay {
            retryDelay.cancel()
        } else {
            run?.cancel()
        }
        guard wire == .v0_79 else {
            while let run { await run.value }
            return send(command.success())
        }
        await run?.value
        send(command.success())
        // This version runs what is queued once it has answered.
        if run == nil, !inputHasEnded, !steering.waiting.isEmpty || !followUps.waiting.isEmpty {
            begin(takeQueued())
        }
    }

    /// Changes something that takes no time; `false` if the command is none of these.
    private func change(_ command: Command) -> Bool {
        switch command.type?.string {
        case "set_steering_mode": steering.mode = FieldFault.interpolated(command["mode"])
        case "set_follow_up_mode": followUps.mode = FieldFault.interpolated(command["mode"])
        case "set_auto_compaction": isAutoCompacting = command["enabled"]?.bool ?? false
        case "set_auto_retry": isAutoRetrying = command["enabled"]?.bool ?? false
        case "set_thinking_level": think(ThinkingLevel(clamping: command["level"]?.string))
        case "abort_retry": return abortRetry(command)
        case "clear_queue" where wire >= .v0_84: return clearQueue(command)
        case "set_session_name": return rename(command)
        case "set_model": return setModel(command)
        case "cycle_model": return cycleModel(command)
        case "cycle_thinking_level": return cycleThinking(command)
        default: return false
        }
        send(command.success())
        return true
    }

    private func abortRetry(_ command: Command) -> Bool {
        guard let retryDelay else {
            send(command.success())
            return true
        }
        retryDelay.cancel()
        start { agent in
            while let run = agent.run { await run.value }
            agent.send(command.success())
        }
        return true
    }

    private func clearQueue(_ command: Command) -> Bool {
        let data: JSON = ["steering": steering.texts, "followUp": followUps.texts]
        let wasEmpty = steering.waiting.isEmpty && followUps.waiting.isEmpty
        steering.removeAll()
        followUps.removeAll()
        if !wasEmpty { emitQueue() }
        send(command.success(data))
        return true
    }

    private func rename(_ command: Command) -> Bool {
        guard let name = command["name"]?.string else {
            fail(command, FieldFault.calling("trim", on: command["name"], "command.name"))
            return true
        }
        let trimmed = name.trimmed
        guard !trimmed.isEmpty else {
            send(command.failure("Session name cannot be empty"))
            return true
        }
        session.rename(trimmed)
        send(command.success())
        return true
    }

    // MARK: Model

    private func setModel(_ command: Command) -> Bool {
        guard let match = DemoModel.named(provider: command["provider"]?.string, id: command["modelId"]?.string) else {
            let names = [command["provider"], command["modelId"]].map(FieldFault.interpolated)
            send(command.failure("Model not found: \(names.joined(separator: "/"))"))
            return true
        }
        use(match)
        send(command.success(match.json))
        return true
    }

    private func cycleModel(_ command: Command) -> Bool {
        use(model.next)
        send(
            command.success([
                "model": model.json, "thinkingLevel": .string(thinking.rawValue), "isScoped": false,
            ]))
        return true
    }

    private func use(_ other: DemoModel) {
        model = other
        session.append("model_change", ["provider": .string(DemoModel.provider), "modelId": .string(model.id)])
        think(thinking)
    }

    private func cycleThinking(_ command: Command) -> Bool {
        guard model.isReasoning else {
            send(command.success(.null))
            return true
        }
        think(thinking.next)
        send(command.success(["level": .string(thinking.rawValue)]))
        return true
    }

    /// Sets the level, which is off for a model that cannot think.
    private func think(_ level: ThinkingLevel) {
        let possible = model.isReasoning ? level : .off
        guard possible != thinking else { return }
        thinking = possible
        session.append("thinking_level_change", ["thinkingLevel": .string(thinking.rawValue)])
    }
}

extension SlashCommand {
    /// Whether it is done at once, without the model; those may not be queued.
    var isExtensionCommand: Bool {
        if case .turn = self { false } else { true }
    }
}

extension String {
    /// The text without white space at both ends.
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}
