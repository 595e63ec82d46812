import CPlatform
import HypiWire
import PiAdapter

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A person beside a running agent: the conversation above, the line being typed below.
///
/// The actor runs on the terminal's own thread; events of the connection, keys and signals come one after the other.
actor Chat {
    /// What the surroundings say about the chat.
    struct Surroundings: Sendable {
        var name: String
        var node: Node?
        /// How a person comes back.
        var returnCommand: String
        var historyFolder: String?
        var editorCommand: String?
        /// Where the text lies while it is edited.
        var temporaryFolder: String
        /// How a folder is written for this person.
        var shorten: @Sendable (String) -> String
        var isColoured: Bool
        /// Whether the terminal takes links.
        var hasLinks: Bool
        var enterKey: EnterKey
        /// This person's home folder, for `~` in the names of files.
        var home: String?
        /// Whether an agent that has ended can be started again.
        var canRevive: Bool
    }

    /// What goes out to the agent.
    enum Outgoing: Sendable {
        case command(JSONObject, id: String, files: [AttachedFile])
        /// A folder of this machine is to be listed for completion.
        case listFolder(String)
        case frame(JSON)
        case answer(DialogRequest, DialogAnswer)
    }

    /// Why a chat ended.
    enum Ending: Sendable {
        case left
        case signal(CInt)
        case failed(any Error)
        /// The agent has ended.
        case gone(comeBack: Revival?)
        /// The agent has ended, and the person wants it back.
        case revive(sessionFile: String?)
    }

    /// What the typed line is for.
    enum Mode {
        case prompt
        /// The dialog, the option that is marked, and the line that was being typed.
        case dialog(DialogRequest, marked: Int, saved: String)
        case confirmStop(saved: String)
        case revive(saved: String)
        /// A list to choose from, the line that was being typed, and what a choice does.
        case pick(Picker, saved: String, Pick)
    }

    typealias Pick = @Sendable (isolated Chat, Picker.Item) -> Void
    typealias Reply = @Sendable (isolated Chat, JSON) -> Void

    nonisolated let loop: TerminalLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    nonisolated let outgoing: AsyncStream<Outgoing>
    let outlet: AsyncStream<Outgoing>.Continuation

    let surroundings: Surroundings
    let style: Style
    let editor: LineEditor
    var transcript: Transcript
    var renderer: Renderer
    var completion = Completion()
    var history = InputHistory(path: nil)
    var mode = Mode.prompt
    var dialogs: [DialogRequest] = []
    var watch = RunWatch()
    var busySince: ContinuousClock.Instant?
    /// What was sent and what pi keeps for the running turn, until it appears in the conversation.
    var queue: [String] = []
    /// The prompts that wait for their turn, of everybody, as the agent shows them.
    var waiting: [String] = []
    var replies: [String: Reply] = [:]
    /// Prompts that were accepted; old versions may refuse one afterwards.
    var acceptedPrompts: [String] = []
    var commandCount = 0
    let idPrefix = "chat-" + String(UInt64.random(in: .min ... .max), radix: 36) + "-"
    /// Why there is no connection; `nil` while there is one.
    var trouble: String? = "connecting"
    var hasJoined = false
    /// Lines of the past that were not shown yet, and how many messages stand before them.
    var earlierLines: [ScreenLine] = []
    var earlierCount = 0
    var expiries: [String: ContinuousClock.Instant] = [:]
    /// Slash words that were typed before pi had told its commands.
    var undecided: [String] = []
    var attachments: [AttachedFile] = []
    var models: [JSON] = []
    var scanner = KeyboardScanner()
    /// When an escape sequence that has begun counts as the Esc key.
    var escapeEnd: ContinuousClock.Instant?
    /// When the window's size counts as settled.
    private var settledAt = ContinuousClock.now
    /// Until when the terminal's answer is waited for; nothing is drawn meanwhile.
    var answerEnd: ContinuousClock.Instant?
    var pastes = PasteBook()
    var bash: Bash?
    var footer = Footer()
    /// The session's file on the agent's machine.
    var sessionFile: String?
    var hasAskedToStop = false
    var interrupted: ContinuousClock.Instant?
    var askedFolder: (folder: String, line: String)?
    var ending: Ending?

    private var isDirty = true
    private var needsClearing = false
    private var isResized = false
    private var drawnAt = ContinuousClock.now
    private var spinner = 0

    init(_ surroundings: Surroundings, loop: TerminalLoop, terminal: CInt) throws {
        self.surroundings = surroundings
        self.loop = loop
        style = Style(isColoured: surroundings.isColoured, hasLinks: surroundings.hasLinks)
        editor = try LineEditor(terminal: terminal)
        transcript = Transcript(style)
        renderer = Renderer(terminal: terminal)
        // Bounded by the connection, which refuses more than it can keep.
        (outgoing, outlet) = AsyncStream.makeStream(of: Outgoing.self)
    }

    // MARK: The loop's calls

    /// Runs until the person leaves; only on the loop's thread.
    nonisolated func runLoop() {
        loop.begin()
        loop.forward([SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT])
        assumeIsolated { $0.start() }
        loop.run(
            .init(
                keyboard: { self.assumeIsolated { $0.readKeys() } },
                signal: { number in self.assumeIsolated { $0.took(signal: number) } },
                turn: { self.assumeIsolated { $0.turn() } }))
    }

    private func start() {
        setUpEditor()
        editor.start()
    }

    /// Gives the terminal back and says how to return.
    func finish() -> Ending {
        isDirty = true
        draw()
        editor.hide()
        editor.flush()
        editor.pause()
        // They were shown as queued and kept; whoever leaves before the agent has them must know.
        for text in undecided {
            editor.write("not confirmed by the agent: \(Markdown.printable(text))\r\n")
        }
        if case .left = ending {
            editor.write("detached; the agent keeps running\r\ncome back with: \(surroundings.returnCommand)\r\n")
            editor.flush()
        }
        outlet.finish()
        return ending ?? .left
    }

    func end(_ ending: Ending) {
        self.ending = self.ending ?? ending
        loop.stop()
    }

    private func turn() -> Duration? {
        let now = ContinuousClock.now
        expireDialogs(now)
        expireEscape(now)
        if isResized, settledAt > now, ending == nil {
            return min(escapeEnd ?? settledAt, settledAt) - now
        }
        if isBusy || bash != nil { isDirty = isDirty || now - drawnAt >= Self.spinnerInterval }
        if isDirty {
            let wait = Self.frameInterval - (now - drawnAt)
            if wait > .zero { return escapeEnd.map { min(wait, $0 - now) } ?? wait }
            if let end = answerEnd, end <= now {
                // This terminal does not tell where its cursor is.
                answerEnd = nil
                scanner.expectedAnswers = 0
            }
            draw()
            if let end = answerEnd { return max(.milliseconds(1), end - now) }
        }
        let expiry = expiries.values.min().map { $0 - now }
        return [isBusy || bash != nil ? Self.spinnerInterval : nil, expiry, escapeEnd.map { $0 - now }]
            .compactMap { $0 }.min()
    }

    /// The size has lasted: asks where the tail is, to wrap the text above it again.
    private func askForCursor(_ now: ContinuousClock.Instant) {
        renderer.askForCursor(editor)
        scanner.expectedAnswers += 1
        answerEnd = now + Self.answerPatience
        isDirty = true
    }

    private func draw() {
        if isBusy || bash != nil { spinner += 1 }
        if isResized {
            renderer.resize(editor)
            isResized = false
            askForCursor(.now)
        }
        guard answerEnd == nil || ending != nil else { return }
        transcript.width = renderer.columns
        let lines = transcript.takeLines(width: renderer.columns)
        let (live, tail) = (transcript.live, tail(width: renderer.columns))
        if needsClearing { renderer.clear(editor) }
        renderer.draw(lines, live: live, tail: tail, editor)
        (needsClearing, isDirty) = (false, false)
        drawnAt = .now
    }

    /// Something to be seen has changed.
    func changed() {
        isDirty = true
    }

    /// The screen is to be cleared.
    func clearScreen() {
        needsClearing = true
        isDirty = true
    }

    /// The window has another size.
    func resized() {
        isResized = true
        settledAt = .now + Self.settleDelay
        isDirty = true
    }

    private static let frameInterval = Duration.milliseconds(16)
    /// How long a size must last before anything is drawn for it.
    ///
    /// A window that is dragged has many, and tmux tells each up to a quarter of a second late: what is known of the
    /// screen until then is wrong, and finished lines would be drawn over.
    private static let settleDelay = Duration.milliseconds(300)
    /// How long the terminal may take to tell where its cursor is.
    private static let answerPatience = Duration.milliseconds(300)
    private static let spinnerInterval = Duration.milliseconds(120)

    // MARK: The tail

    var isBusy: Bool {
        watch.isRunning || watch.isRetrying || watch.isCompacting
    }

    private func tail(width: Int) -> [String] {
        var rows: [String] = []
        for (_, tool) in transcript.running.suffix(4) where tool.started != nil {
            rows.append(style.yellow(TextWidth.cut("\(mark) \(Markdown.printable(tool.summary))", to: width)))
            rows += tool.newestLines.map { style.dim(TextWidth.cut("  " + $0, to: width)) }
        }
        let word = isBusy || trouble != nil ? "queued" : "sending"
        for text in waiting { rows.append(style.dim(TextWidth.cut("queued: \(Markdown.printable(text))", to: width))) }
        for text in undecided + queue {
            rows.append(style.dim(TextWidth.cut("\(word): \(Markdown.printable(text))", to: width)))
        }
        if let status { rows.append(style.dim(TextWidth.cut(status, to: width))) }
        // It is no part of what stays on the terminal.
        if ending == nil, hasJoined, let text = footer.text(queued: waiting.count + queue.count + undecided.count) {
            rows.append(style.dim(TextWidth.cut(Markdown.printable(text), to: width)))
        }
        return rows + dialogRows(width: width) + pickerRows(width: width)
    }

    private var mark: String {
        let marks = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]
        return style.isColoured ? marks[spinner % marks.count] : "*"
    }

    private var status: String? {
        if let trouble { return "! \(trouble)" }
        if let bash, !isBusy { return "\(mark) running \(bash.command.prefix { $0 != "\n" }) (Esc stops it)" }
        guard isBusy else { return attachments.isEmpty ? nil : "\(attachments.count) attached" }
        let doing =
            watch.isCompacting
            ? "summarising"
            : watch.isRetrying ? "waiting to try again" : transcript.thinksSilently ? "thinking" : "working"
        let time = busySince.map { " " + ToolLine.duration(.seconds(Int(clamping: (.now - $0) / .seconds(1)))) } ?? ""
        return "\(mark) \(doing)\(time) (Esc aborts; \(surroundings.enterKey.summary))"
    }

    // MARK: Commands

    /// Sends a command of pi's; files are read when it goes out.
    @discardableResult
    func send(
        _ command: JSONObject, files: [AttachedFile] = [],
        then reply: @escaping Reply = { chat, response in chat.complain(response) }
    ) -> String {
        commandCount += 1
        let id = "\(idPrefix)\(commandCount)"
        replies[id] = reply
        outlet.yield(.command(command, id: id, files: files))
        return id
    }

    /// A command could not even be kept.
    func refused(_ id: String, _ reason: String) {
        replies.removeValue(forKey: id)?(self, ["success": false, "error": .string(reason)])
    }

    /// Says that a command was refused.
    func complain(_ response: JSON) {
        guard response["success"]?.bool != true else { return }
        transcript.warn(response["error"]?.string ?? "refused")
        changed()
    }
}
