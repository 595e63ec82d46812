/// What a program's manual page says beyond its options; it lives with the program.
///
/// `--help` shows the purpose, the options and the examples; the page (``ManualPage``) shows all of it.
public struct Manual: Sendable {
    /// A term and what it means: a status, a variable, a file.
    public struct Entry: Sendable {
        /// The term, as it is typed.
        public let term: String
        /// What it means, as a sentence.
        public let meaning: String

        /// An entry.
        public init(_ term: String, _ meaning: String) {
            self.term = term
            self.meaning = meaning
        }
    }

    /// Options that belong together, and that few people need often.
    ///
    /// `--help` names them in a line, so that it fits a screen; `--help-hidden` and the page describe them one by one.
    public struct Section: Sendable {
        /// What they are about.
        public let title: String
        /// Their long names without dashes; those that the program does not have are passed over.
        public let options: [String]

        /// A section.
        public init(_ title: String, _ options: [String]) {
            self.title = title
            self.options = options
        }
    }

    /// What the program does, a paragraph each.
    public var description: [String]
    /// Options that `--help` only names.
    public var sections: [Section]
    /// Three command lines worth knowing, taken as they are by their readers.
    public var examples: [String]
    /// The statuses it ends with.
    public var exitStatus: [Entry]
    /// The variables it looks at.
    public var environment: [Entry]
    /// The files it reads or writes.
    public var files: [Entry]

    /// A manual.
    public init(
        description: [String], sections: [Section], examples: [String], exitStatus: [Entry], environment: [Entry],
        files: [Entry]
    ) {
        self.description = description
        self.sections = sections
        self.examples = examples
        self.exitStatus = exitStatus
        self.environment = environment
        self.files = files
    }
}

extension Manual.Section {
    /// How the hypivisor is reached.
    public static let connection = Manual.Section(
        "Server", ["hypivisor", "token-file", "ca-file", "tls-pin", "insecure", "timeout"])
    /// How log lines are written.
    public static let log = Manual.Section("Log", ["log-file", "log-level", "log-format"])
}

extension Manual.Entry {
    /// The address of the hypivisor.
    public static let hypivisorURL = Manual.Entry(
        "HYPIVISOR_WS", "The hypivisor's URL; else the one announced on this machine, else ws://127.0.0.1:31415/ws.")
    /// The token.
    public static let token = Manual.Entry("HYPI_TOKEN", "The token itself.")
    /// The token's file, named by a variable.
    public static let tokenVariable = Manual.Entry("HYPI_TOKEN_FILE", "A file that holds the token.")
    /// Authorities, named by a variable.
    public static let authorities = Manual.Entry("HYPI_CA_FILE", "The authorities that are trusted on wss://.")
    /// A pin, in a variable.
    public static let pin = Manual.Entry("HYPI_TLS_PIN", "The one certificate that is trusted on wss://.")
    /// The XDG folders.
    public static let folders = Manual.Entry(
        "XDG_CONFIG_HOME, XDG_STATE_HOME", "Where the files below are, instead of ~/.config and ~/.local/state.")
    /// Colours.
    public static let colors = Manual.Entry("NO_COLOR, TERM", "With NO_COLOR, or TERM=dumb, there are no colours.")
    /// The settings.
    public static let configFile = Manual.Entry(
        "~/.config/hyper-pi/config",
        "Settings for all programs, 'key = value' a line: the long names of options, each once unless the option can be "
            + "repeated. Programs that ask a hypivisor take 'hypivisor', 'token-file', 'ca-file', 'tls-pin', 'timeout' and 'insecure' from it. The environment is stronger than it, and options are stronger than both."
    )
    /// The token's file.
    public static let tokenFile = Manual.Entry(
        "~/.config/hyper-pi/token", "The token; made by the first hypivisor or pi-socket, readable for its owner alone."
    )
    /// The announcement.
    public static let announcement = Manual.Entry(
        "~/.local/state/hyper-pi/hypivisor.url", "How the hypivisor that was started last on this machine is reached.")

    /// What every program that asks a hypivisor looks at.
    public static let clientEnvironment: [Manual.Entry] = [
        .hypivisorURL, .token, .tokenVariable, .authorities, .pin, .folders,
    ]
    /// What every program that asks a hypivisor reads.
    public static let clientFiles: [Manual.Entry] = [.configFile, .tokenFile, .announcement]

    /// Done.
    public static let done = Manual.Entry("0", "Done.")
    /// A wrong command line.
    public static let usage = Manual.Entry(
        "64", "The command line is wrong, a word means several agents, or a folder is outside the roots.")
    /// Nobody there.
    public static let unreachable = Manual.Entry("69", "The hypivisor or the agent cannot be reached.")
    /// Standard output does not take it.
    public static let inputOutput = Manual.Entry("74", "Reading or writing failed: a full disk, a closed output.")
    /// A peer that says what it must not.
    public static let peerProtocol = Manual.Entry("76", "The peer broke the protocol.")
    /// The wrong token.
    public static let refused = Manual.Entry("77", "Refused: the token is wrong or missing.")
    /// Configuration.
    public static let configuration = Manual.Entry("78", "The configuration or the environment is wrong.")
    /// Time is over.
    public static let timedOut = Manual.Entry("124", "The time of --timeout passed.")
    /// How those end that ask a question and print the answer.
    public static let clientStatuses: [Manual.Entry] = [
        .usage, .unreachable, .inputOutput, .peerProtocol, .refused, .configuration, .timedOut,
    ]
}
