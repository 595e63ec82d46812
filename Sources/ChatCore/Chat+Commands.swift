import HypiWire
import PiAdapter

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Our own slash commands.
extension Chat {
    func perform(_ command: LocalCommand) {
        switch command {
        case .help: help()
        case .more: more()
        case .expand: transcript.expand()
        case .thinking:
            transcript.showsThinking.toggle()
            transcript.note(transcript.showsThinking ? "thinking is shown" : "thinking is folded")
        case .steer(let text): steer(text)
        case .take: take()
        case .edit: edit(prefill)
        case .detach: end(.left)
        case .stop:
            mode = .confirmStop(saved: draft)
            editor.text = ""
            setPrompt()
        case .abort: abort()
        case .resume: outlet.yield(.frame(["type": "resume"]))
        case .model(let word): model(word)
        case .thinkingLevel(let level): think(level)
        case .name(let name): tell(["type": "set_session_name", "name": .string(name)], "name: \(name)")
        case .compact(let what): compact(what)
        case .new: change("/new", ["type": "new_session"], "a new session")
        case .sessions(let path): sessions(path)
        case .export(let path): export(path)
        case .stats: stats()
        case .attach(let path): attach(path)
        case .fork: fork()
        case .tree: tree()
        case .clone: clone()
        case .crowded(let command): transcript.warn("\(command) takes nothing after it (Up brings the line back)")
        }
        changed()
    }

    private func help() {
        let keys = LocalCommand.keys(surroundings.enterKey)
        for list in [LocalCommand.descriptions, keys] {
            let width = list.map(\.name.count).max() ?? 0
            for (name, text) in list {
                let gap = String(repeating: " ", count: width - name.count + 2)
                transcript.add(ScreenLine(text: name + style.dim(gap + text), wrapping: .words(hang: width + 2)))
            }
        }
        if let commands = completion.commands, !commands.isEmpty {
            let text = "the agent's own: " + commands.joined(separator: " ")
            transcript.add(ScreenLine(text: Markdown.printable(text), wrapping: .words(hang: 2)))
        }
    }

    /// Sends a command and says what it did.
    func tell(_ command: JSONObject, _ done: String) {
        send(command) { chat, response in
            chat.complain(response)
            if response["data"]?["cancelled"]?.bool == true {
                chat.transcript.note("an extension prevented it")
            } else if response["success"]?.bool == true {
                chat.transcript.note(done)
            }
            chat.changed()
        }
    }

    // MARK: The queue

    private func steer(_ text: String) {
        guard !text.isEmpty else { return transcript.warn("/steer TEXT") }
        send(prompt: text, behaviour: "steer")
    }

    func take() {
        send(["type": "clear_queue"]) { chat, response in
            chat.complain(response)
            guard response["success"]?.bool == true else { return }
            let texts = Self.texts(response)
            if texts.isEmpty { chat.transcript.note("nothing is queued") }
            chat.bringBack(texts)
        }
    }

    /// What `clear_queue` has taken back.
    private static func texts(_ response: JSON) -> [String] {
        let lists = [response["data"]?["steering"], response["data"]?["followUp"]]
        return lists.flatMap { $0?.array ?? [] }.compactMap(\.string)
    }

    /// Puts what was queued behind what is being typed.
    private func bringBack(_ texts: [String]) {
        queue = []
        draft = ([draft] + texts).filter { !$0.isEmpty }.joined(separator: "\n")
        changed()
    }

    // MARK: Model and session

    private func model(_ word: String) {
        if let number = Int(word), models.indices.contains(number - 1) { return setModel(models[number - 1]) }
        send(["type": "get_available_models"]) { chat, response in
            chat.complain(response)
            chat.models = response["data"]?["models"]?.array ?? []
            let names = chat.models.map(Self.name)
            let fitting = names.filter { word.isEmpty || $0.contains(word) }
            if !word.isEmpty, let name = names.first(where: { $0 == word }) ?? fitting.only,
                let index = names.firstIndex(of: name)
            {
                return chat.setModel(chat.models[index])
            }
            chat.changed()
            guard !fitting.isEmpty else {
                return chat.transcript.warn(names.isEmpty ? "no models" : "no model is called '\(word)'")
            }
            chat.pick(Picker(title: "model", items: fitting.map { .init(label: $0, value: $0) })) { chat, item in
                if let index = chat.models.firstIndex(where: { Self.name($0) == item.value }) {
                    chat.setModel(chat.models[index])
                }
            }
        }
    }

    private func setModel(_ model: JSON) {
        tell(
            ["type": "set_model", "provider": model["provider"] ?? "", "modelId": model["id"] ?? ""],
            "model: \(Self.name(model))")
        footer.model = Self.name(model)
    }

    private static func name(_ model: JSON) -> String {
        "\(model["provider"]?.string ?? "")/\(model["id"]?.string ?? "")"
    }

    /// pi takes any word and makes of it what the model can do; what it has then is told.
    private func think(_ level: String) {
        guard !level.isEmpty else { return transcript.warn("/thinking-level LEVEL") }
        send(["type": "set_thinking_level", "level": .string(level)]) { chat, response in
            chat.complain(response)
            guard response["success"]?.bool == true else { return }
            chat.send(["type": "get_state"]) { chat, response in
                chat.complain(response)
                guard let taken = PiState(response["data"] ?? .null).thinkingLevel else { return }
                chat.transcript.note("thinking: \(taken)" + (taken == level ? "" : ", not \(level)"))
                chat.changed()
            }
        }
    }

    /// Whether nobody's answer would be cut off, in this chat or in another; says what to do otherwise.
    func isFree(for command: String) -> Bool {
        guard isBusy else { return true }
        transcript.warn("an answer is running: wait for its end, or /abort it, then \(command)")
        return false
    }

    private func compact(_ what: String) {
        guard isFree(for: "/compact") else { return }
        var command: JSONObject = ["type": "compact"]
        if !what.isEmpty { command["customInstructions"] = .string(what) }
        transcript.note("summarising the conversation")
        tell(command, "summarised")
    }

    /// Goes to another conversation, where no answer is running; a line that is on its way to this one comes back.
    func change(_ name: String, _ command: JSONObject, _ done: String) {
        guard isFree(for: name) else { return }
        guard !queue.isEmpty || !waiting.isEmpty else { return tell(command, done) }
        let mine = queue
        // pi empties its queue with the session in any case, so one that has no such command loses nothing more.
        send(["type": "clear_queue"]) { chat, response in
            let taken = Self.texts(response)
            let labels = taken.map(Self.waiting)
            chat.bringBack(mine.filter { !labels.contains($0) } + taken)
            chat.transcript.note("what was queued is back in the line")
            chat.tell(command, done)
        }
    }

    private func export(_ path: String) {
        var command: JSONObject = ["type": "export_html"]
        if !path.isEmpty { command["outputPath"] = .string(path) }
        send(command) { chat, response in
            chat.complain(response)
            if let path = response["data"]?["path"]?.string { chat.transcript.note("written: \(path)") }
            chat.changed()
        }
    }

    func stats() {
        send(["type": "get_session_stats"]) { chat, response in
            chat.complain(response)
            guard let data = response["data"] else { return }
            let stats = PiStats(data)
            let parts: [String?] = [
                stats.cost.flatMap(Footer.money), stats.tokens.map { "\($0) tokens" },
                stats.contextPercent.flatMap(Footer.percent).map { "\($0) of context" },
                data["totalMessages"]?.int.map { "\($0) messages" }, data["toolCalls"]?.int.map { "\($0) tool calls" },
            ]
            chat.transcript.note(parts.compactMap { $0 }.joined(separator: " · "))
            chat.changed()
        }
    }

    func confirmStop(_ text: String, _ saved: String) {
        if ["y", "yes"].contains(text.lowercased()), trouble != nil {
            transcript.warn("the agent was not asked to end: there is no connection to it")
        } else if ["y", "yes"].contains(text.lowercased()) {
            outlet.yield(.frame(["type": "stop", "force": false]))
            transcript.note("asked the agent to end")
            hasAskedToStop = true
        }
        leaveQuestion(saved)
    }

    // MARK: Files and the editor

    private func attach(_ path: String) {
        do {
            // Tab has put a blank after the name.
            let name = path.hasSuffix(" ") ? String(path.dropLast()) : path
            attachments.append(try AttachedFile(AttachedFile.expand(name, home: surroundings.home)))
        } catch {
            transcript.warn("cannot attach \(path.isEmpty ? "a file" : path): \(error.reason)")
        }
    }

    /// Lets the person's editor have the line, or the answer to a question.
    func edit(_ saved: String) {
        editor.pause()
        // Ctrl-C and Ctrl-Z are the editor's while it runs.
        let handlers = [(SIGINT, SIG_IGN), (SIGQUIT, SIG_IGN), (SIGTSTP, SIG_DFL)].map { ($0.0, signal($0.0, $0.1)) }
        defer { for (number, handler) in handlers { signal(number, handler) } }
        do {
            let text = try ExternalEditor.edit(
                pastes.expanded(saved), with: surroundings.editorCommand ?? "vi", in: surroundings.temporaryFolder)
            editor.start()
            editor.text = shown(text)
        } catch {
            editor.start()
            editor.text = saved
            transcript.warn("cannot edit: \(error.reason)")
        }
        changed()
    }
}

extension Array {
    /// The element, if there is exactly one.
    fileprivate var only: Element? { count == 1 ? self[0] : nil }
}
