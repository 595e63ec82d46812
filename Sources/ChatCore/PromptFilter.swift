import HypiWire

/// Sends one prompt and streams its answer, for scripts: `hypi-attach -p`.
public actor PromptFilter {
    /// What is sent and how it is shown.
    public struct Options: Sendable {
        /// The prompt; `nil` sends none, answers the open dialogs and goes on with the running turn.
        public var prompt: String?
        /// What dialogs are answered with.
        public var policy: DialogPolicy
        /// Whether every record goes out as NDJSON instead of the answer's text.
        public var printsRecords: Bool
        /// Whether to wait for the answer, or only until the prompt was accepted.
        public var waits: Bool

        /// Options; by default the answer's text is awaited and no dialog is answered.
        public init(
            prompt: String?, policy: DialogPolicy = DialogPolicy(), printsRecords: Bool = false, waits: Bool = true
        ) {
            self.prompt = prompt
            self.policy = policy
            self.printsRecords = printsRecords
            self.waits = waits
        }
    }

    private enum Stage {
        case connecting
        /// We have asked what the slash command is.
        case asking(id: String, Welcome)
        case running(PromptRun, prompt: String)
        case finished(PromptRun.Outcome)
    }

    private let options: Options
    private let connection: AgentConnection
    private let output: FilterOutput
    private var stage = Stage.connecting
    /// Answers are used up, by dialogs that were open before the prompt too.
    private var policy: DialogPolicy
    private var confirmID: String?
    private var losses = LossNotes()
    private var eventCount = 0

    /// How long nothing may be heard before pi is asked whether it still works on it.
    private static let quietLimit = Duration.seconds(5)

    /// A filter on a connection that it runs itself.
    public init(_ options: Options, on connection: AgentConnection, output: FilterOutput) {
        self.options = options
        policy = options.policy
        self.connection = connection
        self.output = output
    }

    /// Sends the prompt and returns when its answer is complete.
    ///
    /// - Throws: ``AgentFault`` if it was refused, failed, needs an answer or got lost; what the connection or the
    ///   output throw. What was printed until then stays printed.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await self.connection.run { try await self.handle($0) } }
            tasks.addTask { try await self.watchForQuiet() }
            try await tasks.next()
            tasks.cancelAll()
        }
        guard case .finished(let outcome) = stage else { throw CancellationError() }
        switch outcome {
        case .settled: return
        case .failed(let reason): throw AgentFault.failed(reason)
        case .needsAnswer(let dialog): throw AgentFault.needsAnswer(dialog)
        case .interrupted(let reason): throw AgentFault.interrupted(reason)
        }
    }

    /// Asks after the run when nothing has come for a while.
    ///
    /// pi before 0.84 can end a run without any record (a new session, a compaction), so silence is all there is to see.
    private func watchForQuiet() async throws {
        while true {
            let before = eventCount
            try await Task.sleep(for: Self.quietLimit)
            guard before == eventCount, case .running(var run, let prompt) = stage else { continue }
            let actions = run.quiet()
            stage = .running(run, prompt: prompt)
            try await perform(actions)
        }
    }

    // MARK: Events

    private func handle(_ event: AgentEvent) async throws {
        eventCount += 1
        if let note = losses.note(about: event.kind) { output.note(note) }
        if options.printsRecords { try printRecord(event) }
        switch (stage, event.kind) {
        case (.connecting, .welcome(let welcome)): try await begin(welcome)
        case (.asking(let id, let welcome), .response(let answered, let response)) where id == answered:
            let commands = response["data"]?["commands"]?.array ?? []
            try await send(Self.kind(of: options.prompt ?? "", commands), welcome)
        case (.asking(let id, _), .welcome(let welcome)): stage = .asking(id: id, welcome)
        case (.running(var run, let prompt), let kind):
            let actions = Self.apply(kind, to: &run, prompt: prompt, confirm: confirmID)
            stage = .running(run, prompt: prompt)
            try await perform(actions)
            try await returnIfAccepted(kind, prompt)
        default: break
        }
    }

    private func begin(_ welcome: Welcome) async throws {
        for dialog in welcome.pending {
            // A prompt would wait behind the question, and nothing was sent yet: the cleanest moment to say so.
            guard case .given(let answer) = policy.answer(to: dialog) else {
                return try await finish(.needsAnswer(dialog))
            }
            await connection.answer(dialog, answer)
        }
        guard let prompt = options.prompt else { return try await join(welcome) }
        if !prompt.hasPrefix("/") {
            try await send(.text, welcome)
        } else if let commands = welcome.commands, !commands.isEmpty {
            try await send(Self.kind(of: prompt, commands), welcome)
        } else {
            stage = .asking(id: try await connection.send(["type": "get_commands"]), welcome)
        }
    }

    private func join(_ welcome: Welcome) async throws {
        guard welcome.isBusy || !welcome.pending.isEmpty else {
            return try await finish(.failed("the agent asks nothing and does nothing"))
        }
        var run = PromptRun(joining: welcome, policy: policy)
        let actions = welcome.isBusy ? [] : run.confirm()
        stage = .running(run, prompt: "")
        try await perform(actions)
    }

    private func send(_ kind: PromptRun.Kind, _ welcome: Welcome) async throws {
        let text = options.prompt ?? ""
        let run = PromptRun(text, kind: kind, policy: policy, welcome: welcome)
        let command: JSONObject = [
            "type": "prompt", "message": .string(text), "streamingBehavior": "followUp",
        ]
        stage = .running(run, prompt: try await connection.send(command))
    }

    private static func kind(of prompt: String, _ commands: [JSON]) -> PromptRun.Kind {
        let name = prompt.dropFirst().prefix { !$0.isWhitespace }
        let command = commands.first { $0["name"]?.string.map { $0 == name } ?? false }
        guard let command else { return .text }
        return command["source"]?.string == "extension" ? .extensionCommand : .expanded
    }

    private static func apply(
        _ event: AgentEvent.Kind, to run: inout PromptRun, prompt: String, confirm: String?
    ) -> [PromptRun.Action] {
        switch event {
        case .record(let record): run.apply(record)
        case .dialog(let dialog): run.asked(dialog)
        case .response(prompt, let response): run.answered(response)
        case .response(let id, let response) where id == confirm: run.confirmed(response)
        case .welcome(let welcome): run.rejoined(welcome)
        case .resumed(let welcome): run.resumed(welcome)
        case .agentExit(let exit): run.agentExited(exit)
        case .guarded(let guarded): [.note("a guard stopped the agent: \(guarded["detail"]?.string ?? guarded.text)")]
        case .refused(_, let message): [.note(message)]
        case .other(let frame) where frame["type"] == "queue": run.queueChanged(frame)
        case .response, .dialogResolved, .lost, .other: []
        }
    }

    // MARK: Actions

    private func perform(_ actions: [PromptRun.Action]) async throws {
        for action in actions {
            switch action {
            case .print(let bytes): if !options.printsRecords { try output.write(bytes) }
            case .note(let text): output.note(text)
            case .confirm: confirmID = try await connection.send(["type": "get_state"])
            case .answer(let dialog, let answer): await connection.answer(dialog, answer)
            case .finish(let outcome): try await finish(outcome)
            }
        }
    }

    private func returnIfAccepted(_ event: AgentEvent.Kind, _ prompt: String) async throws {
        guard !options.waits, case .response(prompt, let response) = event, response["success"]?.bool == true else {
            return
        }
        try await finish(.settled)
    }

    private func finish(_ outcome: PromptRun.Outcome) async throws {
        if case .finished = stage { return }
        stage = .finished(outcome)
        await connection.close()
    }

    private func printRecord(_ event: AgentEvent) throws {
        switch event.kind {
        case .welcome, .resumed, .lost: return
        // One of our own questions: no viewer asked for it.
        case .response(let id, _) where id == confirmID: return
        default: if let raw = event.raw { try output.write(record: raw) }
        }
    }
}
