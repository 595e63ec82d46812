import CPlatform
import CReadline

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

private func systemRead(_ descriptor: CInt, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}

/// GNU readline as one object: the line that is being typed, and the only way to the terminal's output.
///
/// Readline's own state is global, so there is one editor a process, and all its calls come from the terminal loop's
/// thread. Output is gathered and leaves in one write a frame.
final class LineEditor {
    /// What a person did.
    enum Input {
        /// Enter, or Alt-Enter: the line, which is gone from the editor once it is taken.
        case submitted(String, withAlt: Bool)
        /// Alt-Up.
        case takeBack
        /// Ctrl-D on an empty line, or the terminal hung up.
        case ended
        /// Ctrl-L.
        case repaint
        /// Ctrl-X Ctrl-E.
        case edit
        /// An arrow, while ``arrows`` choose: up is -1, down 1.
        case arrow(Int)
        /// Several completions fit: they are to be shown.
        case matches([String])
    }

    /// What the arrows are for.
    enum Arrows {
        /// They move in the text, and beyond its first and last row through the history.
        case edit
        /// They choose while the line is empty.
        case chooseIfEmpty
        /// They choose.
        case choose
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
    /// Bytes of the key that readline is given.
    private var pending: ArraySlice<UInt8> = []
    /// Bytes that were typed before the terminal was ours, in which Enter has become a line feed.
    private var typedAhead = 0
    private var columns = 80
    private var prompt = ""
    private var isInstalled = false
    /// What the arrows do.
    var arrows = Arrows.edit
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
        hypi_rl_read_from({ _ in LineEditor.current?.nextByte() ?? EOF }) {
            LineEditor.current?.pending.isEmpty == false ? 1 : 0
        }
        hypi_rl_bind("\\C-m") { _, _ in
            LineEditor.current?.accept(withAlt: false)
            return 0
        }
        hypi_rl_bind("\\C-j") { _, _ in
            hypi_rl_insert("\n")
            return 0
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
        // Alt-Enter; the second as a terminal with the kitty or the xterm protocol sends it.
        for sequence in ["\\e\\C-m", "\\e\\C-j", "\\e[13;3u", "\\e[27;3;13~"] {
            hypi_rl_bind(sequence) { _, _ in
                LineEditor.current?.accept(withAlt: true)
                return 0
            }
        }
        // Shift-Enter, where a terminal tells it apart.
        for sequence in ["\\e[13;2u", "\\e[27;2;13~"] {
            hypi_rl_bind(sequence) { _, _ in
                hypi_rl_insert("\n")
                return 0
            }
        }
        hypi_rl_bind("\\e[1;3A") { _, _ in
            LineEditor.current?.inputs.append(.takeBack)
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

    private func accept(withAlt: Bool) {
        inputs.append(.submitted(text, withAlt: withAlt))
    }

    private func arrow(_ direction: Int, _ count: CInt, _ key: CInt) -> CInt {
        if arrows == .choose || arrows == .chooseIfEmpty && text.isEmpty {
            inputs.append(.arrow(direction))
            return 0
        }
        let place = CursorMotion.vertical(
            direction, in: text, from: Int(hypi_rl_point()), promptCells: promptCells, width: columns)
        if let place {
            hypi_rl_set_point(CInt(place))
            return 0
        }
        return direction < 0 ? rl_get_previous_history(count, key) : rl_get_next_history(count, key)
    }

    // MARK: Life

    /// Takes the keyboard.
    func start() {
        guard !isInstalled else { return }
        install()
        noteTypedAhead()
    }

    private func install() {
        isInstalled = true
        hypi_rl_install(prompt) { line in
            // Our own binding takes Enter; what comes here is the end of input, or an exotic way to accept a line.
            guard let line else {
                LineEditor.current?.inputs.append(.ended)
                return
            }
            LineEditor.current?.inputs.append(.submitted(String(cString: line), withAlt: false))
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

    /// Notes what was typed before the terminal was ours.
    private func noteTypedAhead() {
        typedAhead = Int(hypi_waiting_bytes(STDIN_FILENO))
    }

    /// Bytes of the keyboard as they were meant: what was typed ahead has line feeds for Enter.
    func translate(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let early = min(typedAhead, bytes.count)
        typedAhead -= early
        return bytes.prefix(early).map { $0 == 0x0A ? 0x0D : $0 } + bytes.dropFirst(early)
    }

    /// Gives readline one whole key.
    func take(key bytes: [UInt8]) -> [Input] {
        guard isInstalled else { return [] }
        pending = bytes[...]
        while !pending.isEmpty, isInstalled { rl_callback_read_char() }
        defer { inputs = [] }
        return inputs
    }

    /// Readline's next byte.
    ///
    /// It asks for no more than the key has; if it should, it waits for the keyboard.
    private func nextByte() -> CInt {
        if let byte = pending.popFirst() { return CInt(byte) }
        var byte: UInt8 = 0
        while true {
            let count = systemRead(STDIN_FILENO, &byte, 1)
            if count == 1 { return CInt(byte) }
            guard count < 0, errno == EINTR else { return EOF }
        }
    }

    /// Whether Esc has a meaning of its own in the line, which it then has had.
    func takesEscape() -> Bool {
        if hypi_rl_is_searching() != 0 {
            inputs += take(key: [0x1B])
            return true
        }
        return hypi_rl_leave_vi_insertion() != 0
    }

    /// Inserts at the cursor.
    func insert(_ text: String) { hypi_rl_insert(text) }

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
        hypi_rl_remove_keeping_terminal()
        if let entry { add_history(entry) }
        using_history()
        install()
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
    func setSize(rows: Int, columns: Int) {
        self.columns = columns
        hypi_rl_set_size(CInt(clamping: rows), CInt(clamping: columns))
    }

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
