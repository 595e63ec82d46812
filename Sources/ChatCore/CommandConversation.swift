import HypiWire
import NIOCore
import PiAdapter

/// A whole conversation for a script: commands in as NDJSON, every record out as NDJSON: `hypi-attach --jsonl-in`.
///
/// It ends when the input has ended, every command was answered and the agent has settled.
public actor CommandConversation {
    private let connection: AgentConnection
    private let output: FilterOutput
    private var losses = LossNotes()
    private var watch = RunWatch()
    /// The script's own ids by ours; `nil` for a command that had none.
    private var originalIDs: [String: JSON?] = [:]
    /// Commands of ours that wait for their turn: ours by the bridge's name; each is answered once more.
    private var waiting: [String: String] = [:]
    private var confirmID: String?
    private var hasInputEnded = false
    private var openDialogs: [DialogRequest] = []
    private var fault: AgentFault?
    /// What was wrong with the input; told when everything before it is done.
    private var inputFault: AgentFault?
    /// Commands that wait until fewer are unanswered.
    private var held: [JSONObject] = []
    /// Commands on their way to the connection.
    private var sendingCount = 0
    private let answers: AsyncStream<Void>
    private let answerSignal: AsyncStream<Void>.Continuation

    /// Commands that may be unanswered: half of what the connection keeps, so that our own questions always fit.
    private static let unansweredLimit = Limits.queuedCommands / 2
    /// Commands that are read ahead, so that the answer to a dialog among them is found; beyond it nothing is read.
    private static let heldLimit = Limits.queuedCommands

    /// A conversation on a connection that it runs itself.
    public init(_ connection: AgentConnection, output: FilterOutput) {
        self.connection = connection
        self.output = output
        (answers, answerSignal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes commands until the input ends, and returns when all is done.
    ///
    /// - Parameter descriptor: Where the commands come from; an `extension_ui_response` among them answers a dialog.
    /// - Throws: ``AgentFault/badInput(line:reason:)`` for a line that is no command, ``AgentFault/needsAnswer(_:)`` if
    ///   a dialog is open and no input is left to answer it; what the connection or the output throw.
    public func run(reading descriptor: CInt) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                try await self.connection.run { try await self.handle($0) }
                return true
            }
            tasks.addTask {
                try await self.read(InputRecords(descriptor: descriptor))
                return false
            }
            while let isOver = try await tasks.next(), !isOver {}
            tasks.cancelAll()
        }
        if let fault = fault ?? inputFault { throw fault }
    }

    // MARK: Input

    private func read(_ records: InputRecords) async throws {
        var input = records
        var answered = answers.makeAsyncIterator()
        do {
            while let line = try await input.next() {
                try await take(line, number: input.lineNumber)
                while held.count >= Self.heldLimit {
                    if let dialog = openDialogs.first { throw AgentFault.needsAnswer(dialog) }
                    // Ends without an element when the task is cancelled, as by --timeout.
                    guard await answered.next(isolation: self) != nil else { throw CancellationError() }
                }
            }
        } catch let fault as AgentFault {
            // What came before it is still carried out and answered.
            inputFault = fault
        }
        hasInputEnded = true
        try await endIfDone()
    }

    private func take(_ line: ByteBuffer, number: Int) async throws {
        let json: JSON
        do {
            json = try JSON(parsing: line)
        } catch {
            throw AgentFault.badInput(line: number, reason: "\(error)")
        }
        guard let command = json.object, let type = command["type"]?.string else {
            throw AgentFault.badInput(line: number, reason: "a command is an object with a 'type'")
        }
        if type == "extension_ui_response" {
            openDialogs.removeAll { $0.id == command["id"]?.string }
            return await connection.send(frame: json)
        }
        held.append(command)
        try await sendHeld()
    }

    /// Sends what waited, as far as there is room for its answers.
    private func sendHeld() async throws {
        while !held.isEmpty, originalIDs.count + sendingCount < Self.unansweredLimit {
            let command = held.removeFirst()
            sendingCount += 1
            defer { sendingCount -= 1 }
            let id = try await connection.send(command)
            originalIDs[id] = .some(command["id"])
        }
    }

    // MARK: Events

    private func handle(_ event: AgentEvent) async throws {
        if let note = losses.note(about: event.kind) { output.note(note) }
        switch event.kind {
        case .welcome(let welcome):
            watch = RunWatch(isRunning: welcome.isBusy)
            openDialogs = welcome.pending
            keepWaiting(welcome)
        case .resumed(let welcome): return keepWaiting(welcome)
        case .lost: return
        case .response(let id, let response): return try await answered(id, response)
        case .record(let record):
            let kind = PiRecord.Kind(rawValue: record["type"]?.string ?? "") ?? .other
            if let signal = watch.apply(kind, record), signal == .running { confirmID = nil }
        case .dialog(let dialog): if dialog.needsAnswer { openDialogs.append(dialog) }
        case .dialogResolved(let id): openDialogs.removeAll { $0.id == id }
        case .agentExit(let exit): if !AgentExit(exit).isRestarting { fault = .failed(AgentExit(exit).summary) }
        case .other(let frame) where frame["type"] == "queue":
            for id in frame["removed"]?.array ?? [] { waiting[id.string ?? ""] = nil }
        case .guarded, .refused, .other: break
        }
        if case .welcome = event.kind {} else if let raw = event.raw { try output.write(record: raw) }
        try await endIfDone()
    }

    private func answered(_ id: String, _ response: JSON) async throws {
        if id == confirmID {
            confirmID = nil
            if watch.confirm(PiState(response["data"] ?? .null)) { await end() }
            return
        }
        guard let original = originalIDs[id], var object = response.object else { return }
        if response["data"]?["disposition"] == "queued", let name = response["data"]?["queueId"]?.string {
            waiting[name] = id
        } else {
            waiting = waiting.filter { $0.value != id }
            originalIDs[id] = nil
        }
        object["id"] = original
        try output.write(JSON.object(object).record)
        try await sendHeld()
        answerSignal.yield()
        try await endIfDone()
    }

    /// The second answer to a prompt that no longer waits may have been lost with a connection.
    private func keepWaiting(_ welcome: Welcome) {
        let names = Set(welcome.queue.compactMap { $0["id"]?.string })
        for (name, id) in waiting where !names.contains(name) {
            waiting[name] = nil
            originalIDs[id] = nil
        }
    }

    private func endIfDone() async throws {
        if fault != nil { return await end() }
        guard hasInputEnded, held.isEmpty, sendingCount == 0, originalIDs.isEmpty else { return }
        if let dialog = openDialogs.first {
            fault = .needsAnswer(dialog)
            return await end()
        }
        if !watch.isRunning, !watch.isRetrying, !watch.isCompacting, confirmID == nil {
            confirmID = try await connection.send(["type": "get_state"])
        }
    }

    private func end() async {
        await connection.close()
    }
}
