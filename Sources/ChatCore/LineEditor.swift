import CPlatform
import CReadline

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// GNU readline as one object: the line that is being typed, and the only way to the terminal's output.
///
/// Readline's own state is global, so there is one editor a process, and all its calls come from the terminal loop's
/// thread. Output is gathered and leaves in one write a frame.
final class LineEditor {
    /// What a person did.
    enum Input {
        /// Enter: the line, which is gone from the editor.
        case submitted(String)
        /// Ctrl-D on an empty line, or the terminal hung up.
        case ended
        /// Ctrl-L.
        case repaint
        /// Ctrl-X Ctrl-E.
        case edit
        /// An arrow, while ``takesArrows`` is set and the line is empty: up is -1, down 1.
        case arrow(Int)
        /// Several completions fit: they are to be shown.
        case matches([String])
    }

    /// The terminal could not be opened for writing; the system's error number.
    struct Fault: Error {
        var code: CInt
    }

    /// The one editor, for readline's callbacks, which carry no context; touched on the loop's thread alone.
    nonisolated(unsafe) private static weak var current: LineEditor?

    /// libedit lacks what a line needs that is drawn anew below a moving text.
    static var isSupported: Bool { hypi_rl_is_gnu() != 0 }

    private let out: UnsafeMutablePointer<FILE>
    private var inputs: [Input] = []
    private var isAccepting = false
    private var prompt = ""
    private var isInstalled = false
    private var arrowFunctions: [Int: UnsafeMutablePointer<rl_command_func_t>?] = [:]
    /// Whether the arrows choose instead of walking through the history.
    var takesArrows = false
    /// Finds completions of the word before the cursor; the whole line up to there comes with it.
    var complete: (_ word: String, _ line: String) -> [String] = { _, _ in [] }

    /// An editor on a terminal.
    ///
    /// - Throws: ``Fault``.
    init(terminal: CInt) throws(Fault) {
        let copy = dup(terminal)
        guard copy >= 0, let out = fdopen(copy, "w") else { throw Fault(code: errno) }
        self.out = out
        // One frame, one write: readline flushes at the end of what it draws.
        setvbuf(out, nil, Int32(_IOFBF), 1 << 18)
        Self.current = self
        hypi_rl_begin(out)
        bind()
    }

    deinit {
        fclose(out)
    }

    private func bind() {
        for key in ["\\C-m", "\\C-j"] {
            hypi_rl_bind(key) { _, _ in
                LineEditor.current?.isAccepting = true
                return 0
            }
        }
        hypi_rl_bind("\\C-l") { _, _ in
            LineEditor.current?.inputs.append(.repaint)
            return 0
        }
        guard hypi_rl_is_gnu() != 0 else { return }
        hypi_rl_bind("\\C-x\\C-e") { _, _ in
            LineEditor.current?.inputs.append(.edit)
            return 0
        }
        for sequence in ["\\e[A", "\\eOA"] {
            hypi_rl_bind(sequence) { count, key in LineEditor.current?.arrow(-1, count, key) ?? 0 }
        }
        for sequence in ["\\e[B", "\\eOB"] {
            hypi_rl_bind(sequence) { count, key in LineEditor.current?.arrow(1, count, key) ?? 0 }
        }
        hypi_rl_completion(
            { word, start, end in LineEditor.current?.completions(word, start, end) },
            { matches, count, _ in LineEditor.current?.show(matches, count) })
    }

    private func arrow(_ direction: Int, _ count: CInt, _ key: CInt) -> CInt {
        if takesArrows, text.isEmpty {
            inputs.append(.arrow(direction))
            return 0
        }
        return direction < 0 ? rl_get_previous_history(count, key) : rl_get_next_history(count, key)
    }

    // MARK: Life

    /// Takes the keyboard.
    func start() {
        guard !isInstalled else { return }
        isInstalled = true
        hypi_rl_install(prompt) { line in
            // Our own binding takes Enter; what comes here is the end of input, or an exotic way to accept a line.
            guard let line else {
                LineEditor.current?.inputs.append(.ended)
                return
            }
            LineEditor.current?.inputs.append(.submitted(String(cString: line)))
            free(line)
        }
    }

    /// Gives the keyboard and the terminal's settings back; ``start()`` takes them again.
    func pause() {
        guard isInstalled else { return }
        isInstalled = false
        hypi_rl_hide()
        rl_callback_handler_remove()
        flush()
    }

    // MARK: Keyboard

    /// Reads one key, or one paste.
    func read() -> [Input] {
        guard isInstalled else { return [] }
        rl_callback_read_char()
        if isAccepting {
            isAccepting = false
            inputs.append(.submitted(text))
        }
        defer { inputs = [] }
        return inputs
    }

    /// Completes once more, as if Tab had been pressed: what was asked for has come.
    func completeAgain() -> [Input] {
        rl_complete(0, CInt(UInt8(ascii: "\t")))
        defer { inputs = [] }
        return inputs
    }

    /// Forgets the line and whatever key sequence was under way, and begins anew.
    func reset(adding entry: String? = nil) {
        hypi_rl_cleanup()
        hypi_rl_hide()
        rl_on_new_line()
        hypi_rl_set_line("")
        rl_callback_handler_remove()
        isInstalled = false
        if let entry { add_history(entry) }
        using_history()
        start()
    }

    /// Puts older lines into the history.
    func remember(_ lines: [String]) {
        for line in lines { add_history(line) }
        using_history()
    }

    /// The line so far.
    var text: String {
        get { String(cString: hypi_rl_line()) }
        set { hypi_rl_set_line(newValue) }
    }

    // MARK: Screen

    /// Sets the prompt: what it says, and how it looks between escape sequences.
    func setPrompt(_ text: String, _ dress: (String) -> String) {
        // \001 and \002 tell readline what takes no cells.
        let dressed = dress("\u{2}\(text)\u{1}")
        prompt = dressed == "\u{2}\(text)\u{1}" ? text : "\u{1}\(dressed)\u{2}"
        promptCells = TextWidth.cells(text)
        if isInstalled { rl_set_prompt(prompt) }
    }

    private var promptCells = 0

    /// Rows that prompt and line take.
    func rowCount(width: Int) -> Int {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.enumerated().reduce(0) { count, line in
            count + (TextWidth.cells(line.element) + (line.offset == 0 ? promptCells : 0)) / max(1, width) + 1
        }
    }

    /// Row of prompt and line that the cursor is in, from 0, as a terminal of this width breaks them.
    func cursorRow(width: Int) -> Int {
        let before = String(decoding: text.utf8.prefix(Int(hypi_rl_point())), as: UTF8.self)
        let lines = before.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.enumerated().reduce(-1) { count, line in
            count + (TextWidth.cells(line.element) + (line.offset == 0 ? promptCells : 0)) / max(1, width) + 1
        }
    }

    /// Takes the line off the screen; the cursor is where its first row began.
    func hide() { hypi_rl_hide() }

    /// Draws the line from where the cursor is.
    func show() { if isInstalled { hypi_rl_show() } }

    /// The cursor is at the beginning of an empty row, and the line is not on the screen.
    func beginAnew() { rl_on_new_line() }

    /// Tells readline the terminal's size.
    func setSize(rows: Int, columns: Int) { hypi_rl_set_size(CInt(rows), CInt(columns)) }

    /// Adds to the frame.
    func write(_ text: String) { fputs(text, out) }

    /// Sends the frame.
    func flush() { fflush(out) }

    // MARK: Completion

    private func completions(
        _ word: UnsafePointer<CChar>?, _ start: CInt, _ end: CInt
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? {
        hypi_rl_no_default_completion()
        guard let word else { return nil }
        let line = String(decoding: text.utf8.prefix(Int(end)), as: UTF8.self)
        let found = complete(String(cString: word), line)
        guard let first = found.first else { return nil }
        if found.count == 1, first.hasSuffix("/") { hypi_rl_no_space_after_completion() }
        let shared = found.dropFirst().reduce(first) { $0.commonPrefix(with: $1) }
        let list = found.count == 1 ? [first] : [shared] + found
        // Readline frees the list and its strings.
        let size = (list.count + 1) * MemoryLayout<UnsafeMutablePointer<CChar>?>.stride
        guard let memory = malloc(size) else { return nil }
        let array = memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: list.count + 1)
        for (index, text) in list.enumerated() { (array + index).initialize(to: strdup(text)) }
        (array + list.count).initialize(to: nil)
        return array
    }

    private func show(_ matches: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: CInt) {
        guard let matches, count > 0 else { return }
        inputs.append(.matches((1...Int(count)).compactMap { matches[$0].map { String(cString: $0) } }))
    }
}

extension String {
    fileprivate func commonPrefix(with other: String) -> String {
        String(zip(self, other).prefix { $0 == $1 }.map(\.0))
    }
}
