/// Lists to choose from, above the line that narrows them.
extension Chat {
    /// Opens a list; what is being typed waits.
    func pick(_ picker: Picker, then pick: @escaping Pick) {
        guard case .prompt = mode else { return }
        mode = .pick(picker, saved: editor.text, pick)
        editor.text = ""
        setPrompt()
    }

    func choose(from picker: Picker, _ text: String, _ saved: String, _ pick: Pick) {
        guard let item = picker.choice(text) else {
            editor.text = ""
            return transcript.warn("nothing in the list is called '\(text)' (Esc leaves it)")
        }
        leaveQuestion(saved)
        pick(self, item)
    }

    /// The title and the items around the marked one, as many as there is room for.
    func pickerRows(width: Int) -> [String] {
        guard case .pick(let picker, _, _) = mode else { return [] }
        let fitting = picker.fitting(editor.text)
        let title = TextWidth.cut("? \(picker.title) (arrows, Enter; Esc leaves)", to: width)
        let marked = picker.place(among: fitting.count)
        let count = min(fitting.count, max(2, renderer.rows - 5))
        let first = min(max(0, marked - count / 2), fitting.count - count)
        return [style.bold(style.yellow(title))]
            + (first..<first + count).map { index in
                let isEnd = index == first ? first > 0 : index == first + count - 1 && index < fitting.count - 1
                let mark = index == marked ? ">" : isEnd ? "…" : " "
                let (number, item) = fitting[index]
                let text = TextWidth.cut("\(mark) \(number). \(Markdown.printable(item.label))", to: width)
                return index == marked ? style.bold(text) : text
            }
    }
}
