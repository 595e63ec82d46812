public import ArgumentParser

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A program: its help fits a screen, and a wrong command line is one line on stderr and status 64.
///
/// The argument parser alone would print a page of help and its usage behind every error.
public protocol ToolCommand: AsyncParsableCommand {
    /// What its help and its manual page say beyond the options.
    static var manual: Manual { get }

    /// What the config file can set beside the options that all programs share.
    static var settings: Settings { get }

    /// Whether what follows `--` belongs to another program.
    ///
    /// The parser knows only one list of positional arguments; these are taken out before it looks, and are at
    /// ``trailingArguments``.
    static var hasTrailingArguments: Bool { get }
}

extension ToolCommand {
    /// Nothing but what all programs share.
    public static var settings: Settings { .none }

    /// Nothing is passed on.
    public static var hasTrailingArguments: Bool { false }

    /// The words behind the first `--` of the command line.
    public static var trailingArguments: [String] {
        Array(CommandLine.arguments.drop { $0 != "--" }.dropFirst())
    }

    /// Parses the command line, runs the command and ends the process.
    public static func main() async {
        do {
            let words = CommandLine.arguments.dropFirst()
            guard words != ["--generate-manual"] else { printAndLeave(page) }
            if words.count == 2, words.first == "--generate-completion-script",
                let shell = words.last.flatMap(CompletionShell.init(rawValue:))
            {
                printAndLeave(CompletionScript(shell, Self.self).text + "\n")
            }
            // A shell that asks for completions puts the words so far behind a `--` of its own.
            let isCut = hasTrailingArguments && words.first != "---completion"
            // First as it was typed: what is wrong with that is no fault of the config file.
            let (typed, own) = try await parseTyped(Array(isCut ? words.prefix { $0 != "--" } : words))
            var command = typed
            if command is Self, let configured = try await configured(own) { command = configured }
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            finish(error)
        }
    }

    /// Parses what was typed.
    ///
    /// A value that begins with a dash makes the parser fail, which is when it is joined to its option: the parser's own
    /// description, which says what takes a value, takes milliseconds to get.
    ///
    /// - Returns: The command, and the words that the parser understood.
    private static func parseTyped(_ words: [String]) async throws -> (any ParsableCommand, [String]) {
        do {
            return (try await asyncParseAsRoot(words), words)
        } catch {
            guard words.first != "---completion" else { throw error }
            let joined = DashedValues.joined(words, CommandSummary(Self.self).allArguments)
            guard joined != words else { throw error }
            return (try await asyncParseAsRoot(joined), joined)
        }
    }

    /// The command with what the config file says, too; `nil` where it says nothing.
    private static func configured(_ words: [String]) async throws -> (any ParsableCommand)? {
        do {
            let more = try settings.words(before: words, of: CommandSummary(Self.self), .current())
            return more.isEmpty ? nil : try await parse(more, before: words)
        } catch {
            let failure = Failure(error)
            Diagnostic.print(configuration.commandName ?? "\(Self.self)", failure.line)
            throw ExitCode(failure.status.rawValue)
        }
    }

    /// Puts settings before the words that were typed, which are right by themselves.
    ///
    /// - Throws: ``Failure`` with status 78 that names the first line of the file that makes them wrong.
    private static func parse(_ settings: [Settings.Word], before words: [String]) async throws
        -> any ParsableCommand
    {
        do {
            return try await asyncParseAsRoot(settings.map(\.text) + words)
        } catch {
            for count in 1..<settings.count {
                do {
                    _ = try await asyncParseAsRoot(settings.prefix(count).map(\.text) + words)
                } catch {
                    throw failure(error, of: settings[count - 1])
                }
            }
            throw failure(error, of: settings[settings.count - 1])
        }
    }

    private static func failure(_ error: any Error, of word: Settings.Word) -> Failure {
        Failure(
            .configuration, "\(word.setting.place): \(line(message(for: error)))",
            hint: "see '\(configuration.commandName ?? "\(Self.self)") --help'")
    }

    private static func finish(_ error: any Error) -> Never {
        // Whatever there was to say has been said; asking the parser for words takes it milliseconds.
        if let code = error as? ExitCode { leave(code.rawValue) }
        let status = exitCode(for: error)
        let tool = configuration.commandName ?? "\(Self.self)"
        guard status == .success else {
            let message = message(for: error)
            if !message.isEmpty {
                Diagnostic.print(tool, "\(line(message)) (see '\(tool) --help')")
            }
            leave(status.rawValue)
        }
        let text = fullMessage(for: error)
        guard !text.isEmpty else { leave(0) }
        printAndLeave(text == helpMessage() ? HelpText(CommandSummary(Self.self), manual).text : text + "\n")
    }

    /// The manual page, dated like the sources where their date is known (reproducible-builds.org).
    private static var page: String {
        let seconds = Environment.current()["SOURCE_DATE_EPOCH"].flatMap { Int64($0) }
        let now = seconds.map { min(max($0, 0), 1 << 37) * 1000 } ?? WallClock.milliseconds()
        return ManualPage(CommandSummary(Self.self), manual, settings: settings.names, now: now).text
    }

    private static func printAndLeave(_ text: String) -> Never {
        do throws(Failure) {
            try StandardOutput.write(text)
        } catch {
            Diagnostic.print(configuration.commandName ?? "\(Self.self)", error.line)
            leave(error.status.rawValue)
        }
        leave(0)
    }

    /// The parser's words as one line in the house's style: lower case, no period, a list with commas.
    private static func line(_ message: String) -> String {
        let lines = message.split(separator: "\n")
        guard let head = lines.first.map(proposal), let initial = head.first else { return message }
        let text = initial.lowercased() + head.dropFirst()
        guard lines.count > 1 else { return text.hasSuffix(".") ? String(text.dropLast()) : text }
        return text + " " + lines.dropFirst().map { $0.drop { " -".contains($0) } }.joined(separator: ", ")
    }

    /// A proposal of ours in place of the parser's, which takes whatever is three characters away for a slip, of a word
    /// of three characters, too.
    private static func proposal(_ line: Substring) -> String {
        guard let end = line.firstRange(of: "'. Did you mean '") else { return String(line) }
        let names = CommandSummary(Self.self).arguments.compactMap(\.longName)
        let word = line[..<end.lowerBound].drop { $0 != "'" }.drop { "'-".contains($0) }
        let near = Spelling.nearest(to: String(word), among: names)
        return line[..<end.lowerBound] + "'" + (near.map { ", did you mean '--\($0)'?" } ?? "")
    }

    private static func leave(_ status: Int32) -> Never {
        #if canImport(Glibc)
            Glibc.exit(status)
        #else
            Darwin.exit(status)
        #endif
    }
}
