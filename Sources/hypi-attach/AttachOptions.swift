import ArgumentParser
import ChatCore
import HypiTool

/// What the command line of hypi-attach can say.
struct AttachOptions: ParsableArguments {
    /// What a viewer may do.
    enum Role: String, ExpressibleByArgument, CaseIterable {
        case controller
        case observer
    }

    /// What Enter does while the agent works.
    enum Enter: String, ExpressibleByArgument, CaseIterable {
        case steer
        case queue

        /// The same for the chat.
        var key: EnterKey { self == .steer ? .steer : .queue }
    }

    @Argument(
        help: ArgumentHelp("Agent to talk to (default: this folder's, or the only one).", valueName: "target"),
        completion: RegistryCompletion.targets)
    var targets: [String] = []

    @Option(name: [.short, .long], help: ArgumentHelp("Send one prompt and print the answer.", valueName: "text"))
    var prompt: String?

    @Flag(help: "Print every record, a JSON object a line.")
    var json = false

    @Flag(help: "Take commands as JSON lines, print every record.")
    var jsonlIn = false

    @Flag(help: "Only watch.")
    var follow = false

    @Option(help: ArgumentHelp("What we may do.", valueName: "role"))
    var role = Role.controller

    @Flag(help: "Print the last answer and leave.")
    var last = false

    @Flag(help: "Abort the running turn and leave.")
    var abort = false

    @Flag(help: "Ask agents to end, and wait until they have.")
    var stop = false

    @Flag(help: "Let agents continue that a guard stopped.")
    var resume = false

    @Flag(name: .customLong("no-wait"), help: "Return once the request was accepted.")
    var noWait = false

    @Option(
        help: ArgumentHelp("Answer to a dialog; repeatable.", valueName: "text"))
    var answer: [String] = []

    @Flag(help: "Refuse every dialog that --answer leaves over.")
    var deny = false

    @OptionGroup var time: TimeoutOptions

    @Option(help: ArgumentHelp("Agents to talk to at once.", valueName: "n"))
    var jobs = 8

    @Option(
        help: ArgumentHelp("What Enter does in the chat while the agent works.", valueName: "action"))
    var enter = Enter.steer

    /// Refuses what cannot be meant.
    func check() throws {
        let modes = [
            (jsonlIn, "--jsonl-in"), (follow || role == .observer, "--follow"), (last, "--last"), (abort, "--abort"),
            (stop, "--stop"), (resume, "--resume"), (prompt != nil, "--prompt"),
        ].filter(\.0).map(\.1)
        if modes.count > 1 { throw ValidationError("\(modes[0]) and \(modes[1]) exclude each other") }
        if jobs < 1 { throw ValidationError("--jobs takes a number from 1") }
        if prompt?.allSatisfy(\.isWhitespace) == true { throw ValidationError("the prompt is empty") }
        if targets.contains("-") {
            if prompt == nil, !takesSeveral { throw ValidationError("with '-' the prompt comes from --prompt") }
            if prompt == "-" { throw ValidationError("standard input cannot be both the prompt and the targets") }
        }
        if targets.count > 1, !takesSeveral {
            throw ValidationError("only --stop and --resume take several targets (others: '-')")
        }
    }

    /// The one target; `nil` where none was given.
    var target: String? {
        targets.first
    }

    /// Whether the mode takes several targets.
    var takesSeveral: Bool {
        stop || resume
    }

    /// Whether dialogs are to be answered.
    var answers: Bool {
        !answer.isEmpty || deny
    }

    /// What is asked for beside the text.
    func filter(_ prompt: String?) -> PromptFilter.Options {
        PromptFilter.Options(
            prompt: prompt, policy: DialogPolicy(answers: answer, denies: deny), printsRecords: json, waits: !noWait)
    }

    /// The bound on the whole conversation; the agent goes on beyond it.
    func limit(_ environment: Environment) throws(Failure) -> Duration? {
        try time.timeLimit(environment, usual: nil)
    }
}
