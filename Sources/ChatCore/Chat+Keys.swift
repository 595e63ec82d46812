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
        editor.remember(history.load().map { shown($0) })
    }

    private var historyPath: String? {
        guard let folder = surroundings.historyFolder else { return nil }
        return InputHistory.path(in: folder, name: surroundings.name, node: surroundings.node)
    }

    // MARK: Keys

    /// How long an ESC may wait for the rest of a sequence.
    ///
    /// Terminals send one at once; a slow network needs a moment.
    static let escapePatience = Duration.milliseconds(60)

    func readKeys() {
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        let count = read(STDIN_FILENO, &buffer, buffer.count)
        guard count > 0 else {
            if count < 0, errno == EINTR || errno == EAGAIN { return }
            return end(.left)
        }
        take(keys: scanner.feed(editor.translate(buffer[..<count])))
        escapeEnd = scanner.isWaiting ? .now + Self.escapePatience : nil
    }

    /// What waits of an escape sequence is all there is.
    func expireEscape(_ now: ContinuousClock.Instant) {
        guard let end = escapeEnd, end <= now else { return }
        escapeEnd = nil
        take(keys: scanner.timeOut())
    }

    private func take(keys: [KeyboardScanner.Key]) {
        for key in keys {
            guard ending == nil else { return }
            switch key {
            case .bytes(let bytes): for input in editor.take(key: bytes) { take(input) }
            case .escape: escape()
            case .paste(let text, let isWhole): pasted(text, isWhole)
            case .cursor(let row): tailBegins(at: row)
            }
        }
        // What was typed narrows a list.
        if case .pick = mode { changed() }
        editor.flush()
    }

    /// The terminal says where it has put the cursor after a change of its size.
    private func tailBegins(at row: Int) {
        // An answer to an earlier question is about another size.
        guard scanner.expectedAnswers == 0, answerEnd != nil else { return }
        answerEnd = nil
        renderer.reflow(row, editor)
        changed()
    }

    private func pasted(_ text: String, _ isWhole: Bool) {
        if !isWhole { transcript.warn("the paste was cut: it is longer than \(KeyboardScanner.pasteLimit) bytes") }
        editor.insert(shown(text))
        changed()
    }

    /// A text as it stands in the line; one that is taller than the window by a name.
    func shown(_ text: String) -> String {
        pastes.shown(text, rows: max(3, renderer.rows / 2), width: renderer.columns)
    }

    private func take(_ input: LineEditor.Input) {
        switch input {
        case .submitted(let text, let withAlt): submit(text, withAlt: withAlt)
        case .ended:
            // Readline has gone to a new row and drawn its prompt again there.
            renderer.moved(down: 1)
            end(.left)
        case .repaint: clearScreen()
        case .arrow(let direction): mark(by: direction)
        case .takeBack: take()
        case .edit: edit(editor.text)
        case .matches(let matches):
            transcript.note(matches.joined(separator: "  "))
            changed()
        }
    }

    private func submit(_ typed: String, withAlt: Bool) {
        changed()
        if case .prompt = mode {
            // An odd number of backslashes at the end continues the line, as in a shell.
            if typed.reversed().prefix(while: { $0 == "\\" }).count % 2 == 1 {
                editor.text = typed.dropLast() + "\n"
                return
            }
            if withAlt, !isBusy { return editor.insert("\n") }
        }
        let text = pastes.expanded(typed)
        switch mode {
        case .dialog(let dialog, let marked, let saved):
            guard let command = LocalCommand(text) else { return answer(dialog, text, marked, saved) }
            editor.reset(adding: text)
            perform(command)
        case .pick(let picker, let saved, let pick): choose(from: picker, text, saved, pick)
        case .confirmStop(let saved): confirmStop(text, saved)
        case .revive(let saved): answerRevival(text, saved)
        case .prompt:
            let isBlank = text.allSatisfy(\.isWhitespace)
            editor.reset(adding: isBlank ? nil : typed)
            guard !isBlank else { return }
            history.append(text)
            obey(text, withAlt: withAlt)
        }
    }

    func obey(_ text: String, withAlt: Bool = false) {
        if text.hasPrefix("!") { return runBash(text) }
        guard text.hasPrefix("/") else { return prompt(text, withAlt: withAlt) }
        if let command = LocalCommand(text) { return perform(command) }
        guard completion.commands != nil else { return undecided.append(text) }
        if completion.piKnows(text) { return prompt(text, withAlt: withAlt) }
        let word = text.prefix { !$0.isWhitespace }
        // A path is no command; people paste them.
        if word.dropFirst().contains("/") { return prompt(text, withAlt: withAlt) }
        transcript.warn("unknown command \(word) (/help; Up brings the line back)")
    }

    /// Sends a prompt; while the agent works it steers, or waits for the end of the turn.
    func prompt(_ text: String, withAlt: Bool = false) {
        let behaviour = isBusy ? surroundings.enterKey.behaviour(withAlt: withAlt) : "followUp"
        send(prompt: text, behaviour: behaviour)
    }

    /// Sends a prompt with what is attached.
    func send(prompt text: String, behaviour: String) {
        let files = attachments
        attachments = []
        let label = Self.waiting(text)
        queue.append(label)
        let command: JSONObject = [
            "type": "prompt", "message": .string(text), "streamingBehavior": .string(behaviour),
        ]
        send(command, files: files) { chat, response in
            let disposition = response["data"]?["disposition"]?.string
            guard response["success"]?.bool != true else {
                // A slash command leaves no message that would take it out of the queue; what waits is shown as such.
                if text.hasPrefix("/") || disposition == "handled" || response["data"]?["queueId"] != nil {
                    chat.queue.removeAll { $0 == label }
                }
                chat.changed()
                return
            }
            chat.queue.removeAll { $0 == label }
            // Somebody has taken it back into a line.
            guard disposition != "taken" else { return chat.changed() }
            chat.complain(response)
            // A line is never lost: it comes back where it can be sent again.
            if chat.draft.isEmpty {
                chat.draft = text
            } else if disposition == "removed" {
                chat.draft += "\n" + text
            }
            for file in files where !chat.attachments.contains(file) { chat.attachments.append(file) }
        }
    }

    /// The line that is being typed for the agent; while a question is open it waits.
    var draft: String {
        get {
            switch mode {
            case .prompt: editor.text
            case .dialog(_, _, let saved), .confirmStop(let saved), .revive(let saved), .pick(_, let saved, _): saved
            }
        }
        set {
            switch mode {
            case .prompt: editor.text = shown(newValue)
            case .dialog(let dialog, let marked, _): mode = .dialog(dialog, marked: marked, saved: shown(newValue))
            case .confirmStop: mode = .confirmStop(saved: shown(newValue))
            case .revive: mode = .revive(saved: shown(newValue))
            case .pick(let picker, _, let pick): mode = .pick(picker, saved: shown(newValue), pick)
            }
        }
    }

    /// What an editor begins with when nothing has been typed.
    var prefill: String {
        if case .dialog(let dialog, _, _) = mode, case .editor(let text) = dialog.question { return text }
        return editor.text
    }

    func abort() {
        if let bash { return stopBash(bash) }
        guard isBusy else { return transcript.note("the agent does nothing that could be aborted") }
        transcript.note("aborting")
        send(["type": "abort"])
    }

    func setPrompt() {
        switch mode {
        case .prompt: editor.setPrompt("> ") { style.cyan($0) }
        case .dialog(let dialog, _, _): editor.setPrompt(dialog.prompt) { style.yellow($0) }
        case .confirmStop: editor.setPrompt("end the agent? y/n: ") { style.yellow($0) }
        case .revive: editor.setPrompt("bring it back? y/n: ") { style.yellow($0) }
        case .pick: editor.setPrompt("number, or part of a name: ") { style.yellow($0) }
        }
        editor.arrows = .edit
        if case .dialog(let dialog, _, _) = mode, case .select = dialog.question { editor.arrows = .chooseIfEmpty }
        if case .pick = mode { editor.arrows = .choose }
        changed()
    }

    // MARK: Completion

    private func completions(_ word: String, _ line: String) -> [String] {
        if let found = completion.candidates(word, line: line) {
            completion.forgetFiles()
            return found
        }
        if Completion.isLocal(line) {
            let folder = Completion.localFolder(of: word)
            askedFolder = (folder, editor.text)
            let path = AttachedFile.expand(folder, home: surroundings.home)
            outlet.yield(.listFolder(path.isEmpty ? "." : path))
            return []
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

    /// The names in the folder of this machine that was asked about.
    func took(names: [String]) {
        guard let asked = askedFolder else { return }
        askedFolder = nil
        guard asked.line == editor.text else { return }
        completion.setNames(names, localFolder: asked.folder)
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
        if leaveMode() { return }
        if isBusy || bash != nil {
            abort()
        } else if editor.text.isEmpty {
            transcript.note("Ctrl-C again or Ctrl-D leaves; the agent keeps running")
        } else {
            editor.reset()
        }
    }

    /// The Esc key: what is in the way goes, or the turn ends.
    private func escape() {
        guard !editor.takesEscape() else { return }
        changed()
        if leaveMode() { return }
        if isBusy || bash != nil { abort() }
    }

    /// Cancels a question or a list that is open.
    private func leaveMode() -> Bool {
        switch mode {
        case .dialog(let dialog, _, let saved):
            outlet.yield(.answer(dialog, .cancelled))
            close(dialog, saved: saved)
        case .confirmStop(let saved), .pick(_, let saved, _): leaveQuestion(saved)
        case .revive(let saved): answerRevival("n", saved)
        case .prompt: return false
        }
        return true
    }

    private func suspend() {
        // Readline begins with an empty line.
        let saved = editor.text
        renderer.takeOff(editor)
        editor.pause()
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
