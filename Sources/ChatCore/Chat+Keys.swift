import HypiWire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What a person does: keys, lines, signals.
extension Chat {
    func setUpEditor() {
        history = InputHistory(path: historyPath)
        editor.setSize(rows: renderer.rows, columns: renderer.columns)
        setPrompt()
        editor.complete = { [unowned self] word, line in self.assumeIsolated { $0.completions(word, line) } }
        editor.remember(history.load())
    }

    private var historyPath: String? {
        guard let folder = surroundings.historyFolder else { return nil }
        return InputHistory.path(in: folder, name: surroundings.name, node: surroundings.node)
    }

    // MARK: Keys

    /// Keys that are taken in one go before events get their turn.
    private static let keysInARow = 4096

    func readKeys() {
        for _ in 0..<Self.keysInARow {
            for input in editor.read() { take(input) }
            var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            if ending != nil || poll(&request, 1, 0) <= 0 { break }
        }
        editor.flush()
    }

    private func take(_ input: LineEditor.Input) {
        switch input {
        case .submitted(let text): submit(text)
        case .ended:
            // Readline has gone to a new row and drawn its prompt again there.
            renderer.moved(down: 1)
            end(.left)
        case .repaint: repaint()
        case .arrow(let direction): mark(by: direction)
        case .edit: edit(editor.text)
        case .matches(let matches):
            transcript.note(matches.joined(separator: "  "))
            changed()
        }
    }

    private func submit(_ text: String) {
        changed()
        // An odd number of backslashes at the end continues the line, as in a shell.
        if case .prompt = mode, text.reversed().prefix(while: { $0 == "\\" }).count % 2 == 1 {
            editor.text = text.dropLast() + "\n"
            return
        }
        switch mode {
        case .dialog(let dialog, let marked, let saved):
            guard let command = LocalCommand(text) else { return answer(dialog, text, marked, saved) }
            editor.reset(adding: text)
            perform(command)
        case .confirmStop(let saved): confirmStop(text, saved)
        case .prompt:
            let isBlank = text.allSatisfy(\.isWhitespace)
            editor.reset(adding: isBlank ? nil : text)
            guard !isBlank else { return }
            history.append(text)
            obey(text)
        }
    }

    func obey(_ text: String) {
        guard text.hasPrefix("/") else { return prompt(text) }
        if let command = LocalCommand(text) {
            perform(command)
            if case .crowded = command { editor.text = text }
            return
        }
        guard completion.commands != nil else { return undecided.append(text) }
        if completion.piKnows(text) { return prompt(text) }
        let word = text.prefix { !$0.isWhitespace }
        // A path is no command; people paste them.
        if word.dropFirst().contains("/") { return prompt(text) }
        transcript.warn("unknown command \(word) (/help)")
        editor.text = text
    }

    /// Sends a prompt; while the agent works pi queues it.
    func prompt(_ text: String) {
        var command: JSONObject = ["type": "prompt", "message": .string(text), "streamingBehavior": "followUp"]
        let images = attachments.filter { $0["type"] == "image" }
        let files = attachments.compactMap { $0["text"]?.string }
        if !images.isEmpty { command["images"] = .array(images.map(JSON.object)) }
        let message = text + files.joined()
        command["message"] = .string(message)
        attachments = []
        queue.append(message)
        send(command) { chat, response in
            let disposition = response["data"]?["disposition"]?.string
            guard response["success"]?.bool != true else {
                // A slash command leaves no message that would take it out of the queue; what waits is shown as such.
                if text.hasPrefix("/") || disposition == "handled" || response["data"]?["queueId"] != nil {
                    chat.queue.removeAll { $0 == message }
                }
                chat.changed()
                return
            }
            chat.queue.removeAll { $0 == message }
            // Somebody has taken it back into a line.
            guard disposition != "taken" else { return chat.changed() }
            chat.complain(response)
            // A line is never lost: it comes back where it can be sent again.
            if chat.draft.isEmpty {
                chat.draft = text
            } else if disposition == "removed" {
                chat.draft += "\n" + text
            }
        }
    }

    /// The line that is being typed for the agent; while a question is open it waits.
    var draft: String {
        get {
            switch mode {
            case .prompt: editor.text
            case .dialog(_, _, let saved), .confirmStop(let saved): saved
            }
        }
        set {
            switch mode {
            case .prompt: editor.text = newValue
            case .dialog(let dialog, let marked, _): mode = .dialog(dialog, marked: marked, saved: newValue)
            case .confirmStop: mode = .confirmStop(saved: newValue)
            }
        }
    }

    /// What an editor begins with when nothing has been typed.
    var prefill: String {
        if case .dialog(let dialog, _, _) = mode, case .editor(let text) = dialog.question { return text }
        return editor.text
    }

    func abort() {
        guard isBusy else { return transcript.note("the agent does nothing that could be aborted") }
        transcript.note("aborting")
        send(["type": "abort"])
    }

    func setPrompt() {
        switch mode {
        case .prompt: editor.setPrompt("> ") { style.cyan($0) }
        case .dialog(let dialog, _, _): editor.setPrompt(dialog.prompt) { style.yellow($0) }
        case .confirmStop: editor.setPrompt("end the agent? y/n: ") { style.yellow($0) }
        }
        if case .dialog(let dialog, _, _) = mode, case .select = dialog.question {
            editor.takesArrows = true
        } else {
            editor.takesArrows = false
        }
        changed()
    }

    // MARK: Completion

    private func completions(_ word: String, _ line: String) -> [String] {
        if let found = completion.candidates(word, line: line) {
            completion.forgetFiles()
            return found
        }
        let folder = Completion.folder(of: word)
        askedFolder = (folder, editor.text)
        outlet.yield(.frame(["type": "list_files", "prefix": .string(folder)]))
        return []
    }

    /// The answer to a question about a folder: completes, unless the line has changed meanwhile.
    func took(files: [JSON]) {
        guard let asked = askedFolder else { return }
        askedFolder = nil
        guard asked.line == editor.text else { return }
        completion.setFiles(files, folder: asked.folder)
        for input in editor.completeAgain() { take(input) }
        changed()
    }

    // MARK: Signals

    func took(signal number: CInt) {
        switch number {
        case SIGINT: interrupt()
        case SIGWINCH: resized()
        case SIGTSTP: suspend()
        case SIGCONT: changed()
        default: end(.signal(number))
        }
    }

    private func interrupt() {
        let now = ContinuousClock.now
        defer { interrupted = now }
        if let interrupted, now - interrupted < .seconds(1) { return end(.left) }
        changed()
        switch mode {
        case .dialog(let dialog, _, let saved):
            outlet.yield(.answer(dialog, .cancelled))
            return close(dialog, saved: saved)
        case .confirmStop(let saved): return leaveQuestion(saved)
        case .prompt: break
        }
        if isBusy {
            abort()
        } else if editor.text.isEmpty {
            transcript.note("Ctrl-C again or Ctrl-D leaves; the agent goes on")
        } else {
            editor.reset()
        }
    }

    private func suspend() {
        // Readline begins with an empty line.
        let saved = editor.text
        editor.pause()
        renderer.beginAnew()
        // SIGSTOP and not the signal's own default: ours is caught, and the shell sees the same. To this very thread: one
        // sent to the process may stop another thread first, and we would draw over what the shell writes.
        raise(SIGSTOP)
        editor.start()
        editor.text = saved
        // The window may have changed meanwhile.
        renderer.measure()
        editor.setSize(rows: renderer.rows, columns: renderer.columns)
        changed()
    }
}

extension DialogRequest {
    /// What stands before the line that answers.
    fileprivate var prompt: String {
        switch question {
        case .select(let options): "choose 1-\(options.count): "
        case .confirm: "y/n: "
        default: "answer: "
        }
    }
}
