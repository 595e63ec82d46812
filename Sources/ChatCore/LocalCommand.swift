/// A slash command of ours; those of pi go to pi.
enum LocalCommand: Equatable {
    case help, more, expand, thinking, steer(String), take, edit, detach, stop, abort
    case model(String), thinkingLevel(String), name(String), compact(String), new, sessions(String), export(String)
    case stats, attach(String), resume
    /// A command that takes nothing, with something behind it; the command.
    case crowded(String)

    /// Names and what they do, for completion and `/help`.
    static let descriptions: [(name: String, text: String)] = [
        ("/help", "this list"),
        ("/steer TEXT", "say something between two tools of the running turn"),
        ("/take", "take back what is queued"),
        ("/abort", "abort the running turn (Ctrl-C)"),
        ("/edit", "write the line in $VISUAL or $EDITOR (Ctrl-X Ctrl-E)"),
        ("/more", "earlier messages"),
        ("/expand", "the whole output of the newest tool"),
        ("/thinking", "show or fold thinking"),
        ("/model [NAME]", "list the models, or take one"),
        ("/thinking-level LEVEL", "off, minimal, low, medium, high, xhigh, max"),
        ("/name NAME", "name the session"),
        ("/compact [WHAT]", "summarise the conversation"),
        ("/new", "begin a new session"),
        ("/sessions [FILE]", "tell the session's file, or change to another"),
        ("/export [FILE]", "write the conversation as HTML on the agent's machine"),
        ("/stats", "tokens and cost"),
        ("/attach FILE", "send a file of this machine with the next prompt"),
        ("/detach", "leave; the agent goes on (Ctrl-D)"),
        ("/resume", "let an agent go on that a guard stopped"),
        ("/stop", "end the agent"),
    ]

    /// The bare names.
    static let names = descriptions.map { String($0.name.prefix { $0 != " " }) }

    /// Reads a line that begins with a slash; `nil` if it is no command of ours.
    init?(_ line: String) {
        let word = line.prefix { !$0.isWhitespace }
        let rest = String(line.dropFirst(word.count).drop(while: \.isWhitespace))
        // Whoever writes more than that may mean a prompt, and some of these cannot be undone.
        guard rest.isEmpty || !Self.descriptions.contains(where: { $0.name == word }) else {
            self = .crowded(String(word))
            return
        }
        switch word {
        case "/help": self = .help
        case "/more": self = .more
        case "/expand": self = .expand
        case "/thinking": self = .thinking
        case "/steer": self = .steer(rest)
        case "/take": self = .take
        case "/edit": self = .edit
        case "/detach": self = .detach
        case "/stop": self = .stop
        case "/abort": self = .abort
        case "/resume": self = .resume
        case "/model": self = .model(rest)
        case "/thinking-level": self = .thinkingLevel(rest)
        case "/name": self = .name(rest)
        case "/compact": self = .compact(rest)
        case "/new": self = .new
        case "/sessions": self = .sessions(rest)
        case "/export": self = .export(rest)
        case "/stats": self = .stats
        case "/attach": self = .attach(rest)
        default: return nil
        }
    }
}
