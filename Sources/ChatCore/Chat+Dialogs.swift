import HypiWire

/// Questions of the agent's extensions: they appear where the person is, and go away when they are answered elsewhere.
extension Chat {
    /// The question and its options, as rows above the line.
    func dialogRows(width: Int) -> [String] {
        guard case .dialog(let dialog, let marked, _) = mode else { return [] }
        var rows = [style.bold(style.yellow(TextWidth.cut("? \(Markdown.printable(dialog.title))", to: width)))]
        switch dialog.question {
        case .select(let options):
            for (index, option) in options.enumerated() {
                let text = TextWidth.cut(
                    "\(index == marked ? ">" : " ") \(index + 1). \(Markdown.printable(option))", to: width)
                rows.append(index == marked ? style.bold(text) : text)
            }
        case .confirm(let message) where !message.isEmpty:
            rows.append(TextWidth.cut("  \(Markdown.printable(message))", to: width))
        case .input(let placeholder) where !placeholder.isEmpty:
            rows.append(style.dim(TextWidth.cut("  \(Markdown.printable(placeholder))", to: width)))
        default: break
        }
        return rows
    }

    /// Something is asked or told.
    func asked(_ dialog: DialogRequest) {
        changed()
        switch dialog.question {
        case .notify(let kind): kind == "info" ? transcript.note(dialog.title) : transcript.warn(dialog.title)
        case .editorText(let text): if editor.text.isEmpty, case .prompt = mode { editor.text = text }
        case .display: break
        case .select, .confirm, .input, .editor:
            guard !dialogs.contains(where: { $0.id == dialog.id }) else { return }
            dialogs.append(dialog)
            if let timeout = dialog.timeout { expiries[dialog.id] = .now + .milliseconds(timeout) }
            if case .prompt = mode { open(dialog) }
        }
    }

    private func open(_ dialog: DialogRequest) {
        mode = .dialog(dialog, marked: 0, saved: editor.text)
        if case .editor(let prefill) = dialog.question { editor.text = prefill } else { editor.text = "" }
        setPrompt()
    }

    /// Takes a line as the answer to the open question.
    func answer(_ dialog: DialogRequest, _ text: String, _ marked: Int, _ saved: String) {
        var text = text
        if text.isEmpty, case .select = dialog.question { text = String(marked + 1) }
        guard let answer = DialogAnswer(text, to: dialog) else {
            editor.text = ""
            transcript.warn("that is no answer to this question (Ctrl-C cancels it)")
            return changed()
        }
        outlet.yield(.answer(dialog, answer))
        transcript.note("\(dialog.title): \(answer.words)")
        close(dialog, saved: saved)
    }

    func mark(by step: Int) {
        guard case .dialog(let dialog, let marked, let saved) = mode, case .select(let options) = dialog.question,
            !options.isEmpty
        else { return }
        mode = .dialog(dialog, marked: (marked + step + options.count) % options.count, saved: saved)
        changed()
    }

    /// The question is answered, here or elsewhere; what was being typed before comes back.
    func close(_ dialog: DialogRequest, saved: String) {
        dialogs.removeAll { $0.id == dialog.id }
        expiries[dialog.id] = nil
        leaveQuestion(saved)
    }

    func leaveQuestion(_ saved: String) {
        editor.reset()
        mode = .prompt
        editor.text = saved
        setPrompt()
        if let next = dialogs.first { open(next) }
    }

    /// Somebody else has answered, or nobody in time.
    func resolved(_ id: String, how: String = "answered elsewhere") {
        guard let dialog = dialogs.first(where: { $0.id == id }) else { return }
        transcript.note("\(how): \(dialog.title)")
        changed()
        if case .dialog(let open, _, let saved) = mode, open.id == id { return close(open, saved: saved) }
        dialogs.removeAll { $0.id == id }
        expiries[id] = nil
    }

    func expireDialogs(_ now: ContinuousClock.Instant) {
        for (id, expiry) in expiries where expiry <= now { resolved(id, how: "nobody answered in time") }
    }

    /// The questions that are open after a connection was made.
    func setDialogs(_ pending: [DialogRequest]) {
        for dialog in dialogs where !pending.contains(where: { $0.id == dialog.id }) { resolved(dialog.id) }
        for dialog in pending { asked(dialog) }
    }
}

extension DialogAnswer {
    fileprivate var words: String {
        switch self {
        case .value(let text): text
        case .confirmed(let flag): flag ? "yes" : "no"
        case .cancelled: "cancelled"
        }
    }
}
