import HypiWire

/// The agent: one conversation at a time, the run that is under way, and the queues behind it.
///
/// Commands enter by ``receive(_:)``, one after the other in the order of stdin; what takes time goes on in tasks that
/// the agent owns and waits for at the end of the input. Every record leaves through ``send(_:)``, whole and in order; a
/// reader that is slow blocks the agent (a real pi buffers instead), so nothing is ever lost or unbounded here.
actor Agent {
    let wire: WireVersion
    let charactersPerSecond: Double
    let directory: SessionDirectory

    var session: Session
    var model: DemoModel
    var thinking: ThinkingLevel
    var steering = PromptQueue()
    var followUps = PromptQueue()
    var isAutoCompacting = true
    var isAutoRetrying = true
    var isCompacting = false

    /// The run of the agent that is under way, from the prompt to the last of what follows from it.
    var run: Task<Void, Never>?
    /// Whether the run is under way in the words of `get_state`; pi before 0.84 says no while it waits to try again.
    var isStreaming = false
    /// The wait before the next attempt.
    var retryDelay: Task<Void, any Error>?
    /// A prompt that came in the middle of that wait.
    var interjection: [JSON] = []
    /// Whether events of the run are kept back, because the session it belonged to has been left.
    var isMuted = false
    /// Whether the run waits for an abort and for nothing else.
    var isHanging = false
    var inputHasEnded = false
    /// `bash` commands whose result waits for the end of the run, so that it does not part a call from its result.
    var waitingBash: [JSON] = []
    var bashCommands: [Int: Task<Void, Never>] = [:]
    var dialogs: [String: Dialog] = [:]

    /// Everything that is under way, by number.
    private var jobs: [Int: Task<Void, Never>] = [:]
    private var lastJob = 0
    private var lastToolCall = 0

    init(_ options: DemoOptions) throws(StartFailure) {
        wire = options.wire
        charactersPerSecond = options.charactersPerSecond
        let cwd = System.workingDirectory()
        directory = SessionDirectory(
            explicit: options.sessionDirectory, agentDirectory: options.agentDirectory, cwd: cwd)
        session = try directory.open(options.start)
        (model, thinking) = session.settings
        if let pattern = options.model {
            let parts = pattern.split(separator: ":", maxSplits: 1).map(String.init)
            if let match = parts.first.flatMap(DemoModel.matching) {
                model = match
                if parts.count > 1 { thinking = ThinkingLevel(clamping: parts[1]) }
            } else {
                System.diagnose("no model matches \(pattern), using \(model.id)")
            }
        }
        if let level = options.thinking { thinking = ThinkingLevel(clamping: level) }
        if !model.isReasoning { thinking = .off }
        Self.begin(&session, model, thinking)
        if let name = options.name, !name.isEmpty { session.rename(name) }
    }

    /// Notes what a new session begins with, as pi does.
    static func begin(_ session: inout Session, _ model: DemoModel, _ thinking: ThinkingLevel) {
        guard session.entries.isEmpty else { return }
        session.append("model_change", ["provider": .string(DemoModel.provider), "modelId": .string(model.id)])
        session.append("thinking_level_change", ["thinkingLevel": .string(thinking.rawValue)])
    }

    // MARK: Output

    /// Writes a record; a reader that has gone ends the process as it ends pi.
    func send(_ record: JSON) {
        write(record.record)
    }

    func write(_ bytes: [UInt8]) {
        do {
            try System.writeAll(bytes, to: 1)
        } catch {
            let word = error.code == System.brokenPipe ? "EPIPE: " : ""
            System.diagnose("cannot write to stdout: \(word)\(error)")
            System.exitNow(1)
        }
    }

    /// Sends an event of the run.
    func emit(_ event: JSON) {
        if !isMuted { send(event) }
    }

    /// Sends an event that pi sends only since this version.
    func emit(since version: WireVersion, _ event: JSON) {
        if wire >= version { emit(event) }
    }

    // MARK: Work

    /// Starts what takes time; the agent waits for it at the end of the input.
    @discardableResult
    func start(_ work: @escaping @Sendable (isolated Agent) async -> Void) -> Task<Void, Never> {
        lastJob += 1
        let number = lastJob
        let task = Task {
            await work(self)
            self.jobs[number] = nil
        }
        jobs[number] = task
        return task
    }

    /// Finishes what is under way after the end of the input: runs and commands go on to their end, dialogs do not.
    func finish() async {
        inputHasEnded = true
        // Nobody is left to answer; those with a timeout still run into it, as pi's do.
        for dialog in dialogs.values where dialog.timer == nil { dialog.answers.finish() }
        // Nobody is left to abort it either.
        if isHanging { run?.cancel() }
        while let job = jobs.first?.value { await job.value }
    }

    func nextToolCall(_ call: Reply.Call) -> ToolCall {
        lastToolCall += 1
        return ToolCall(id: Identifier.toolCall(lastToolCall), name: call.name, arguments: call.arguments)
    }
}

/// Why `pi-demo` could not start.
enum StartFailure: Error {
    case noSession(String)
    case unreadable(path: String, System.Failure)
}

extension StartFailure: CustomStringConvertible {
    var description: String {
        switch self {
        case .noSession(let prefix): "no session found matching '\(prefix)'"
        case .unreadable(let path, let failure): "cannot read session \(path): \(failure)"
        }
    }
}

extension SessionDirectory {
    /// The session to begin with.
    func open(_ start: DemoOptions.Start) throws(StartFailure) -> Session {
        switch start {
        case .unsaved: return Session(cwd: cwd, path: nil)
        case .new: return fresh()
        case .latest: return try latest().map { path throws(StartFailure) in try load(path) } ?? fresh()
        case .named(let name):
            // pi takes it for a path if it looks like one.
            guard !name.contains("/"), !name.hasSuffix(".jsonl") else { return try load(name) }
            guard let path = file(withIDPrefix: name) else { throw .noSession(name) }
            return try load(path)
        }
    }

    /// A new session with a file of its own.
    func fresh(parent: String? = nil) -> Session {
        let id = Identifier.uuid()
        let created = Timestamp.now()
        return Session(cwd: cwd, path: newPath(id: id, created: created), parent: parent, id: id, created: created)
    }

    /// The session in a file; a new one there if the file does not exist.
    func load(_ name: String) throws(StartFailure) -> Session {
        let path = name.hasPrefix("/") ? name : "\(cwd)/\(name)"
        do {
            guard let content = try SessionFile.read(path) else { return Session(cwd: cwd, path: path) }
            return Session(loading: path, content: content, cwd: cwd)
        } catch {
            throw .unreadable(path: path, error)
        }
    }
}

extension Session {
    /// The model and the thinking level that the session was left with.
    var settings: (DemoModel, ThinkingLevel) {
        let path = branch
        let change = path.last { $0["type"]?.string == "model_change" }
        let model = DemoModel.named(provider: change?["provider"]?.string, id: change?["modelId"]?.string)
        let level = path.last { $0["type"]?.string == "thinking_level_change" }?["thinkingLevel"]?.string
        return (model ?? .standard, level.map { ThinkingLevel(clamping: $0) } ?? .medium)
    }
}
