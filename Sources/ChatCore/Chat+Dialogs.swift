import HypiWire

/// Questions of the agent's extensions: they appear where the person is, and go away when they are answered elsewhere.
extension Chat {
    /// The question and its options, as rows above the line.
    func dialogRows(width: Int) -> [String] {
        guard case .dialog(let dialog, let marked, _) = mode else { return [] }
        var rows = wrapped("? " + dialog.title, width) { style.bold(style.yellow($0)) }
        switch dialog.question {
        case .select(let options): rows += optionRows(options, marked, width, room: renderer.rows - rows.count - 4)
        case .confirm(let message): rows += wrapped("  " + message, width) { $0 }
        case .input(let placeholder): rows += wrapped("  " + placeholder, width, style.dim)
        default: break
        }
        return rows
    }

    /// Options around the marked one, as many as there is room for.
    private func optionRows(_ options: [String], _ marked: Int, _ width: Int, room: Int) -> [String] {
        let count = min(options.count, max(2, room))
        let first = min(max(0, marked - count / 2), options.count - count)
        return (first..<first + count).map { index in
            let isEnd = index == first ? first > 0 : index == first + count - 1 && index < options.count - 1
            let mark = index == marked ? ">" : isEnd ? "…" : " "
            let text = TextWidth.cut("\(mark) \(index + 1). \(Markdown.printable(options[index]))", to: width)
            return index == marked ? style.bold(text) : text
        }
    }

    /// A text of the agent's as rows, at most half a screen of them; nothing if it is blank.
    private func wrapped(_ text: String, _ width: Int, _ dress: (String) -> String) -> [String] {
        guard !text.allSatisfy(\.isWhitespace) else { return [] }
        let rows = text.split(separator: "\n").flatMap {
            ScreenLine(text: dress(Markdown.printable(String($0))), wrapping: .words(hang: 2)).rows(width: width)
        }
        return Array(rows.prefix(max(1, renderer.rows / 2 - 1)))
    }

    /// Something is asked or told.
    func asked(_ dialog: DialogRequest) {
        changed()
        switch dialog.question {
        case .notify(let kind): kind == "info" ? transcript.note(dialog.title) : transcript.warn(dialog.title)
        case .editorText(let text): if draft.isEmpty { draft = text }
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
        transcript.note(dialog.title + (dialog.title.hasSuffix("?") ? " " : ": ") + answer.words)
        close(dialog, saved: saved)
    }

    func mark(by step: Int) {
        if case .pick(var picker, let saved, let pick) = mode {
            picker.mark(by: step, editor.text)
            mode = .pick(picker, saved: saved, pick)
            return changed()
        }
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
    func resolved(_ id: String) {
        guard let dialog = dialogs.first(where: { $0.id == id }) else { return }
        // The agent tells its own timeout as it tells an answer, and its clock may be ahead of ours.
        let isLate = expiries[id].map { $0 - .now < Self.clockTolerance } ?? false
        transcript.note((isLate ? "nobody answered in time: " : "answered elsewhere: ") + dialog.title)
        changed()
        if case .dialog(let open, _, let saved) = mode, open.id == id { return close(open, saved: saved) }
        dialogs.removeAll { $0.id == id }
        expiries[id] = nil
    }

    func expireDialogs(_ now: ContinuousClock.Instant) {
        for (id, expiry) in expiries where expiry <= now { resolved(id) }
    }

    /// How long before its time a dialog may close and count as closed by it.
    private static let clockTolerance = Duration.milliseconds(300)

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
