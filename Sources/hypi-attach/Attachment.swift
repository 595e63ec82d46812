import ChatCore
import HypiNet
import HypiTool
import HypiWire
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What one run of hypi-attach does, once its command line is known to make sense.
struct Attachment: Sendable {
    let options: AttachOptions
    let endpoint: EndpointOptions
    let environment: Environment

    /// How long a script tries to come back to an agent that was lost; a person may wait as long as they like.
    static let patience = Duration.seconds(60)

    /// One loop is enough for what a person or a script says, and starts faster than one a core.
    let group: any EventLoopGroup = {
        NIOSingletons.groupLoopCountSuggestion = 1
        return MultiThreadedEventLoopGroup.singleton
    }()

    private let openLine: OpenLine
    let output: FilterOutput

    init(options: AttachOptions, endpoint: EndpointOptions, environment: Environment) {
        (self.options, self.endpoint, self.environment) = (options, endpoint, environment)
        let openLine = OpenLine()
        self.openLine = openLine
        output = FilterOutput(
            write: {
                openLine.printed($0)
                try StandardOutput.write($0)
            },
            writeRecords: { try StandardOutput.write(records: $0) },
            note: {
                Self.end(openLine)
                Diagnostic.print("hypi-attach", $0)
            })
    }

    func run() async throws -> ExitStatus {
        do {
            return try await attach()
        } catch {
            Self.end(openLine)
            throw error
        }
    }

    /// Ends a line that an answer has begun where a remark would otherwise stand behind it.
    ///
    /// That is on a terminal, or in one file for both. An answer that goes elsewhere stays what the agent said.
    private static func end(_ line: OpenLine) {
        guard line.end(), StandardOutput.isTerminal || isSharedWithErrors else { return }
        // The remark itself follows; where standard output is broken it says so.
        _ = StandardOutput.writeAll([UInt8(ascii: "\n")], to: STDOUT_FILENO)
    }

    private static var isSharedWithErrors: Bool {
        var (output, errors) = (stat(), stat())
        guard fstat(STDOUT_FILENO, &output) == 0, fstat(STDERR_FILENO, &errors) == 0 else { return false }
        return output.st_dev == errors.st_dev && output.st_ino == errors.st_ino
    }

    private func attach() async throws -> ExitStatus {
        do {
            return try await act()
        } catch ConnectError.unreachable(let url, let reason) where options.target?.contains("://") == true {
            // The general hint speaks of hypivisor, which nobody asked for here.
            throw Failure(.unreachable, "cannot reach \(url): \(reason)", hint: "is the agent running?")
        }
    }

    private func act() async throws -> ExitStatus {
        if options.takesSeveral { return try await actOnSeveral() }
        if options.target == "-" { return try await fanOut() }
        let isInputTerminal = isatty(STDIN_FILENO) == 1
        let prompt = try await prompt(isInputTerminal: isInputTerminal)
        let target = TargetChoice(options.target, endpoint: endpoint, environment: environment, group: group)
        let mayAsk = isInputTerminal && prompt == nil && !hasMode
        // Whoever is asked takes the time it takes.
        let agent = try await Deadline.within(mayAsk ? nil : options.limit(environment)) {
            try await target.resolve(mayAsk: mayAsk)
        }
        if prompt != nil || options.answers { return try await send(prompt, to: agent) }
        return hasMode ? try await act(on: agent) : try await chat(with: agent)
    }

    /// What is sent: the option, with the text that is piped beside it, or all of standard input.
    private func prompt(isInputTerminal: Bool) async throws -> String? {
        switch options.prompt {
        case "-":
            // Where there is nothing to read, the dash is all there is.
            let text = try await Deadline.within(options.limit(environment)) {
                try await InputRecords.all(of: STDIN_FILENO) ?? ""
            }
            return text.allSatisfy(\.isWhitespace) ? "-" : Self.withoutLastBreak(text)
        case let prompt?:
            return try await Deadline.within(options.limit(environment)) { try await appended(to: prompt) }
        case nil:
            guard !hasMode, !isInputTerminal else { return nil }
            return try await Deadline.within(options.limit(environment)) { try await promptFromInput() }
        }
    }

    private func appended(to prompt: String) async throws -> String {
        switch try await PipedText.read() {
        case .text(let text): return prompt + "\n\n" + Self.withoutLastBreak(text)
        case .nothing: return prompt
        case .shared:
            output.note(
                "text on standard input was left to the calling program, which reads it too "
                    + "('cat | hypi-attach ...' appends it)")
            return prompt
        case .silent:
            output.note(
                "nothing came on standard input for \(TimeSpan.words(PipedText.patience)): the prompt goes without it "
                    + "('</dev/null' skips the wait)")
            return prompt
        }
    }

    private static func withoutLastBreak(_ text: String) -> String {
        text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// All of standard input; `nil` if there is nothing and only dialogs are to be answered.
    private func promptFromInput() async throws -> String? {
        let text = try await InputRecords.all(of: STDIN_FILENO) ?? ""
        if text.allSatisfy(\.isWhitespace) {
            guard !options.answers else { return nil }
            throw Failure(.usage, "there is no prompt", hint: "-p TEXT, or text on standard input")
        }
        return Self.withoutLastBreak(text)
    }

    private var hasMode: Bool {
        options.jsonlIn || isFollowing || options.last || options.abort
    }

    private var isFollowing: Bool {
        options.follow || options.role == .observer
    }

    // MARK: Filters

    private func send(_ prompt: String?, to agent: AgentEndpoint) async throws -> ExitStatus {
        let terminal = Terminal(environment: environment)
        let markdown =
            terminal.isColored && !options.json
            ? MarkdownStream(
                width: terminal.size()?.columns ?? 80, hasLinks: TerminalLinks.areKnown { environment[$0] }) : nil
        var output = output
        if let markdown {
            output.write = { try StandardOutput.write(styled: String(decoding: markdown.take($0), as: UTF8.self)) }
        }
        let filter = PromptFilter(
            options.filter(prompt), on: AgentConnection(to: agent, patience: Self.patience, on: group), output: output)
        let limit = try options.limit(environment)
        let outcome: Result<Void, any Error>
        do {
            try await Interruption(of: agent, output: output, on: group).watch {
                try await Deadline.within(limit) { try await filter.run() }
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // What came of an answer is shown, however it ended.
        if let markdown { try StandardOutput.write(styled: String(decoding: markdown.end(), as: UTF8.self)) }
        try outcome.get()
        return .success
    }

    private func act(on agent: AgentEndpoint) async throws -> ExitStatus {
        let role: AgentConnection.Role = isFollowing ? .observer : .controller
        let connection = AgentConnection(to: agent, role: role, patience: Self.patience, on: group)
        try await Deadline.within(options.limit(environment)) {
            if isFollowing {
                // It may be hours until the agent says something that could not be written.
                StandardOutput.endWithReader()
                try await AgentFollower(connection, printsRecords: options.json, output: output).run()
            } else if options.jsonlIn {
                try await CommandConversation(connection, output: output).run(reading: STDIN_FILENO)
            } else {
                try await ask(options.last ? "get_last_assistant_text" : "abort", of: agent)
            }
        }
        return .success
    }

    private func ask(_ command: String, of agent: AgentEndpoint) async throws {
        let data = try await AgentQuestion.ask(
            ["type": .string(command)], of: agent, patience: Self.patience, on: group)
        guard options.last else { return }
        guard let text = data["text"]?.string else { throw AgentFault.failed("there is no answer yet") }
        try StandardOutput.write(text.hasSuffix("\n") ? text : text + "\n")
    }

    private func fanOut() async throws -> ExitStatus {
        let choice = TargetChoice("-", endpoint: endpoint, environment: environment, group: group)
        let agents = try await choice.namedOnInput().map { try choice.endpoint(of: $0) }
        let fanOut = FanOut(
            options.filter(options.prompt ?? ""), jobs: options.jobs, timeout: try options.limit(environment),
            patience: Self.patience)
        let allAnswered = try await fanOut.run(
            agents, describe: { Failure(attaching: $0).line }, on: group, output: output)
        return allAnswered ? .success : .failure
    }

    // MARK: Chat

    private func chat(with agent: AgentEndpoint) async throws -> ExitStatus {
        // Without a screen to draw on, a line at a time.
        guard StandardOutput.isTerminal, environment["TERM"] ?? "dumb" != "dumb", ChatSession.isSupported else {
            let loop = PlainLoop(agent, patience: Self.patience, on: group, output: output)
            try await loop.run(reading: STDIN_FILENO) { Failure(attaching: $0).line }
            return .success
        }
        let target = options.target ?? agent.name
        let session = ChatSession(
            agent, returnCommand: "hypi-attach \(target)", historyFolder: try historyFolder(of: agent),
            editorCommand: environment["VISUAL"] ?? environment["EDITOR"],
            temporaryFolder: environment["TMPDIR"] ?? "/tmp", isColoured: environment["NO_COLOR"] == nil,
            hasLinks: TerminalLinks.areKnown { environment[$0] }, enterKey: options.enter.key,
            home: environment["HOME"],
            shorten: { [folder = WorkingFolder.current(environment)] in folder.abbreviated($0) })
        switch try await session.run(on: AgentConnection(to: agent, tellsViewers: true, on: group)) {
        case .left: return .success
        case .signal(let number): SignalExit.raise(number)
        case .gone(let revival):
            let command = revival.flatMap { revival in
                revival.sessionFile.map {
                    "hypi-spawn --resume \(ShellWord.quoted($0)) \(ShellWord.quoted(revival.folder))"
                }
            }
            output.note("the agent has ended" + (command.map { "; this brings it back: \($0)" } ?? ""))
            return .success
        case .revive(let sessionFile):
            let choice = TargetChoice(nil, endpoint: endpoint, environment: environment, group: group)
            return try await chat(with: try await choice.revive(agent, sessionFile: sessionFile))
        }
    }

    /// Where typed lines are kept; `nil` where the folder cannot be made, and the chat continues without.
    ///
    /// - Throws: `Failure` with status 78 if other users can read or write what was typed.
    private func historyFolder(of agent: AgentEndpoint) throws(Failure) -> String? {
        guard let folder = try? environment.stateFolder() else { return nil }
        do {
            try PrivateFile.makeFolder(folder)
            try FileTrust.check(agent.historyFile(in: folder), for: .secret)
        } catch {
            if error.doubt != nil { throw error.failure(.configuration) }
            return nil
        }
        return folder
    }
}
