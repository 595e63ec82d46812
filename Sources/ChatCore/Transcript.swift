import HypiWire
import PiAdapter

/// The conversation as lines: what is finished goes out once, what still grows is kept apart.
///
/// Pure: records in, dressed lines out.
struct Transcript {
    private let style: Style
    private var lines: [ScreenLine] = []
    private var answer = AnswerText()
    /// The text of the answer, or of the thought, that is under way.
    private var growing: GrowingText
    private var isThinking = false
    private var thought = ""
    private(set) var running: [(id: String, tool: ToolLine)] = []
    /// Messages of the conversation that were shown whole.
    private(set) var shownCount = 0
    /// The next welcome is of another conversation than the one on the screen.
    private(set) var isReplaced = false
    private var newestOutput: ToolLine.Output?
    var showsThinking = false

    init(_ style: Style) {
        self.style = style
        growing = GrowingText(style)
    }

    /// Lines that were finished since the last call, and the finished rows of one that still grows.
    mutating func takeLines(width: Int = .max) -> [ScreenLine] {
        defer { lines = [] }
        return lines + growing.takeRows(width: width)
    }

    /// What is left of the lines that are still growing, as they look now.
    var live: [ScreenLine] { growing.live }

    /// Cells of a row, by which output is folded.
    var width = 80

    /// Whether the model thinks and nobody watches.
    var thinksSilently: Bool { isThinking && !showsThinking }

    /// A line that is dressed already.
    mutating func add(_ line: ScreenLine) {
        endLine()
        lines.append(line)
    }

    /// A remark of ours between the messages.
    mutating func note(_ text: String) {
        endLine()
        add(remark: "· ", text, style.dim)
    }

    /// A remark that should be seen.
    mutating func warn(_ text: String) {
        endLine()
        add(remark: "! ", text, style.yellow)
    }

    private mutating func add(remark mark: String, _ text: String, _ dress: (String) -> String) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let text = (index == 0 ? mark : "  ") + Markdown.printable(String(line))
            lines.append(ScreenLine(text: dress(text), wrapping: .words(hang: 2)))
        }
    }

    // MARK: History

    /// Messages of the past as lines.
    func history(_ messages: [JSON]) -> [ScreenLine] {
        var past = Transcript(style)
        past.width = width
        past.showsThinking = showsThinking
        for message in messages { past.show(message) }
        return past.takeLines()
    }

    /// The conversation as it is when we arrive.
    mutating func join(_ welcome: Welcome, now: ContinuousClock.Instant) {
        shownCount = welcome.earlierCount + welcome.messages.count
        arrive(welcome, now)
    }

    /// The agent has gone to another session, whose conversation comes with the next welcome.
    mutating func replaced() {
        isReplaced = true
    }

    /// The conversation after a gap: what was missed is shown, nothing twice.
    mutating func rejoin(_ welcome: Welcome, now: ContinuousClock.Instant) {
        endThinking()
        let total = welcome.earlierCount + welcome.messages.count
        let missed = shownCount - welcome.earlierCount
        guard !isReplaced, missed >= 0, missed <= welcome.messages.count else {
            replace(welcome, now: now)
            for message in welcome.messages.suffix(Self.replacedCount) { show(message) }
            return
        }
        var rest = welcome.messages[missed...]
        if !answer.printed.isEmpty { rest = resume(rest, welcome.partial) }
        for message in rest { show(message) }
        shownCount = total
        running.removeAll { !$0.tool.isOwn }
        arrive(welcome, now)
    }

    /// The conversation is another one now; its messages are shown by whoever knows the screen.
    mutating func replace(_ welcome: Welcome, now: ContinuousClock.Instant) {
        isReplaced = false
        endThinking()
        endMessage()
        running.removeAll { !$0.tool.isOwn }
        note("the conversation is another one now")
        join(welcome, now: now)
    }

    /// Messages that are shown of a conversation that does not fit what was there.
    private static let replacedCount = 50

    /// Continues the message that was half said when the connection was lost.
    ///
    /// - Returns: The messages that are still to be shown.
    private mutating func resume(_ missed: ArraySlice<JSON>, _ partial: JSON?) -> ArraySlice<JSON> {
        let whole = missed.prefix(1).first { MessageText.isRole("assistant", $0) }
        let candidate = missed.isEmpty ? partial : whole
        if let candidate,
            let rest = try? answer.rebuild(messages: whole.map { [$0] } ?? [], partial: whole == nil ? candidate : nil)
        {
            feed(rest)
            guard whole != nil else { return missed }
            endMessage()
            return missed.dropFirst()
        }
        endMessage()
        note(
            candidate == nil
                ? "what is above was cut off; the agent does not have it"
                : "the answer again, since a part of it was missed:")
        return missed
    }

    private mutating func arrive(_ welcome: Welcome, _ now: ContinuousClock.Instant) {
        if let partial = welcome.partial, answer.printed.isEmpty {
            beginMessage()
            feed(answer.begin(partial: partial))
        }
        for record in welcome.runningTools where record["type"]?.string == "tool_execution_start" { start(record, now) }
    }

    private mutating func show(_ message: JSON) {
        switch message["role"]?.string {
        case "user": showUser(MessageText.plain(message))
        case "assistant":
            beginMessage()
            feed((try? answer.end(message)) ?? [])
            endMessage()
            for call in message["content"]?.array ?? [] where call["type"]?.string == "toolCall" {
                let tool = ToolLine(name: call["name"]?.string ?? "tool", arguments: call["arguments"] ?? .null)
                running.append((call["id"]?.string ?? "", tool))
            }
            showStop(message)
        case "toolResult":
            finishTool(message["toolCallId"]?.string, message, isError: message["isError"]?.bool ?? false, .now)
        case "bashExecution":
            lines.append(ScreenLine(text: "$ " + Markdown.printable(message["command"]?.string ?? ""), wrapping: .none))
            addOutput(.text(message["output"]?.string ?? ""), limit: 5)
        case "compactionSummary", "branchSummary": note("the conversation before this was summarised")
        default: if message["display"]?.bool == true { note(MessageText.plain(message)) }
        }
    }

    // MARK: Live

    /// Takes the next record.
    mutating func apply(_ record: JSON, now: ContinuousClock.Instant) {
        switch PiRecord.Kind(rawValue: record["type"]?.string ?? "") ?? .other {
        case .messageStart: if MessageText.isRole("assistant", record["message"]) { beginMessage() }
        case .messageUpdate: update(record["assistantMessageEvent"] ?? .null)
        case .messageEnd: end(record["message"] ?? .null)
        case .toolStart: start(record, now)
        case .toolEnd:
            finishTool(
                record["toolCallId"]?.string, record["result"] ?? .null, isError: record["isError"]?.bool ?? false, now)
        case .agentEnd, .agentSettled: running.removeAll { !$0.tool.isOwn }
        case .retryStart:
            warn("\(record["errorMessage"]?.string ?? "an error"); trying again (\(record["attempt"]?.text ?? ""))")
        case .retryEnd: if record["success"]?.bool == false { warn("gave up trying again") }
        case .compactionStart, .autoCompactionStart: note("summarising the conversation")
        case .compactionEnd, .autoCompactionEnd: endCompaction(record)
        case .summaryRetryStart:
            warn("\(record["errorMessage"]?.string ?? "the summary failed"); trying again")
        case .thinkingLevelChanged: if let level = record["level"]?.string { note("thinking: \(level)") }
        case .sessionInfoChanged: if let name = record["name"]?.string { note("session name: \(name)") }
        case .extensionError: warn("extension error: \(record["error"]?.string ?? record.text)")
        default: break
        }
    }

    private mutating func endCompaction(_ record: JSON) {
        if let error = record["errorMessage"]?.string {
            warn("the conversation was not summarised: \(error)")
        } else if record["aborted"]?.bool == true {
            note("the summary was aborted")
        } else {
            note("summarised")
        }
    }

    private mutating func update(_ event: JSON) {
        switch event["type"]?.string {
        case "text_delta":
            endThinking()
            feed(answer.append(event["delta"]?.string ?? "", at: event["contentIndex"]?.int ?? 0))
        case "thinking_delta":
            beginThinking()
            let delta = event["delta"]?.string ?? ""
            thought += delta
            if showsThinking { lines += growing.append(delta) }
        case "text_start", "toolcall_start": endThinking()
        default: break
        }
    }

    private mutating func end(_ message: JSON) {
        shownCount += 1
        switch message["role"]?.string {
        case "assistant":
            endThinking()
            if let rest = try? answer.end(message) {
                feed(rest)
            } else {
                warn("the text above differs from the agent's")
            }
            endMessage()
            showStop(message)
        case "user": showUser(MessageText.plain(message))
        case "toolResult": break
        default: if message["display"]?.bool == true { note(MessageText.plain(message)) }
        }
    }

    private mutating func showStop(_ message: JSON) {
        switch message["stopReason"]?.string {
        case "error": warn(message["errorMessage"]?.string ?? "the model reported an error")
        case "aborted": warn("aborted")
        case "length": warn("cut off by the model's length limit")
        default: break
        }
    }

    private mutating func showUser(_ text: String) {
        endLine()
        lines.append(ScreenLine(text: ""))
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let text = (index == 0 ? style.cyan("› ") : "  ") + style.bold(Markdown.printable(String(line)))
            lines.append(ScreenLine(text: text, wrapping: .words(hang: 2)))
        }
        lines.append(ScreenLine(text: ""))
    }

    // MARK: Text

    private mutating func beginMessage() {
        endLine()
        growing = GrowingText(style)
        answer = AnswerText()
        answer.begin()
    }

    private mutating func endMessage() {
        endLine()
        answer = AnswerText()
    }

    private mutating func feed(_ bytes: [UInt8]) {
        if !bytes.isEmpty { lines += growing.append(String(decoding: bytes, as: UTF8.self)) }
    }

    private mutating func endLine() {
        if growing.isGrowing { lines += growing.endText() }
    }

    private mutating func beginThinking() {
        guard !isThinking else { return }
        endLine()
        isThinking = true
        growing = GrowingText(style, isDim: true)
    }

    private mutating func endThinking() {
        guard isThinking else { return }
        endLine()
        isThinking = false
        growing = GrowingText(style)
        let count = thought.split(separator: "\n").count
        if !showsThinking { note("thought, \(count) line\(count == 1 ? "" : "s") (/thinking shows)") }
        thought = ""
    }

    // MARK: Tools

    private mutating func start(_ record: JSON, _ now: ContinuousClock.Instant) {
        endLine()
        let tool = ToolLine(
            name: record["toolName"]?.string ?? "tool", arguments: record["args"] ?? .null, started: now)
        running.append((record["toolCallId"]?.string ?? "", tool))
    }

    private mutating func finishTool(
        _ id: String?, _ result: JSON, isError: Bool, _ now: ContinuousClock.Instant
    ) {
        guard let index = running.firstIndex(where: { $0.id == id }) else { return }
        let tool = running.remove(at: index).tool
        endLine()
        lines.append(ScreenLine(text: tool.finished(isError: isError, now: now, style), wrapping: .none))
        addOutput(tool.output(result), limit: 5)
        newestOutput = tool.output(result)
    }

    // MARK: Commands of the person's own

    /// A command of the person's own begins.
    mutating func startBash(_ id: String, _ command: String, now: ContinuousClock.Instant) {
        endLine()
        let arguments: JSON = ["command": .string(command)]
        running.append((id, ToolLine(name: "bash", arguments: arguments, started: now, isOwn: true)))
    }

    /// The next piece of its output.
    mutating func feedBash(_ id: String, _ record: JSON) {
        guard record["id"]?.string == id, let index = running.firstIndex(where: { $0.id == id }) else { return }
        running[index].tool.feed(record["delta"]?.string ?? "")
    }

    /// It did not run after all.
    mutating func dropBash(_ id: String) { running.removeAll { $0.id == id } }

    /// It has ended; `outcome` is pi's answer.
    mutating func finishBash(_ id: String, _ outcome: JSON, isExcluded: Bool, now: ContinuousClock.Instant) {
        shownCount += 1
        let isCancelled = outcome["cancelled"]?.bool == true
        let code = outcome["exitCode"]?.int
        finishTool(id, ["content": outcome["output"] ?? ""], isError: isCancelled || code != 0, now)
        let remarks: [String?] = [
            isCancelled ? "stopped" : code.flatMap { $0 == 0 ? nil : "exit status \($0)" },
            isExcluded ? "not in the conversation" : nil,
            outcome["fullOutputPath"]?.string.map { "the whole output: \($0)" },
        ]
        let text = remarks.compactMap { $0 }.joined(separator: "; ")
        if !text.isEmpty { note(text) }
    }

    /// The whole output of the newest tool.
    mutating func expand() {
        guard let newestOutput else { return note("no tool has run since we came") }
        addOutput(newestOutput, limit: nil)
    }

    private mutating func addOutput(_ output: ToolLine.Output, limit: Int?) {
        lines += output.lines(limit: limit, width: width, style).map { ScreenLine(text: $0, wrapping: .none) }
    }
}
