/// A slash command of ours; those of pi go to pi.
enum LocalCommand: Equatable {
    case help, more, expand, thinking, steer(String), take, edit, detach, stop, abort
    case model(String), thinkingLevel(String), name(String), compact(String), new, sessions(String), export(String)
    case stats, attach(String), resume, fork, tree, clone
    /// A command that takes nothing, with something behind it; the command.
    case crowded(String)

    /// Names and what they do, for completion and `/help`.
    static let descriptions: [(name: String, text: String)] = [
        ("/help", "this list"),
        ("/steer TEXT", "say something between two tools of the running turn"),
        ("/take", "take back what is queued (Alt-Up)"),
        ("/abort", "abort the running turn (Esc, Ctrl-C)"),
        ("/edit", "write the line in $VISUAL or $EDITOR (Ctrl-X Ctrl-E)"),
        ("/more", "earlier messages"),
        ("/expand", "the whole output of the newest tool"),
        ("/thinking", "show or fold thinking"),
        ("/model [NAME]", "choose a model"),
        ("/thinking-level LEVEL", "off, minimal, low, medium, high, xhigh, max"),
        ("/name NAME", "name the session"),
        ("/compact [WHAT]", "summarise the conversation"),
        ("/new", "begin a new session"),
        ("/sessions [FILE]", "choose another session of this folder"),
        ("/fork", "go back to an earlier prompt, in a session of its own"),
        ("/tree", "all prompts of the session, also of branches that were left"),
        ("/clone", "continue in a copy of the session"),
        ("/export [FILE]", "write the conversation as HTML on the agent's machine"),
        ("/stats", "tokens and cost"),
        ("/attach FILE", "send a file of this machine with the next prompt (Tab completes it)"),
        ("/quit, /exit, /detach", "leave; the agent keeps running (Ctrl-D)"),
        ("/resume", "lift a guard that has stopped the agent"),
        ("/stop", "end the agent"),
        ("!COMMAND", "run it in the agent's folder; !!COMMAND keeps it out of the conversation"),
    ]

    /// Keys and what they do, for `/help`.
    static func keys(_ enter: EnterKey) -> [(name: String, text: String)] {
        [
            ("Enter", "send; while the agent works, \(enter == .steer ? "steer it" : "queue the line")"),
            ("Alt-Enter", "a new line; while the agent works, \(enter == .steer ? "queue the line" : "steer it")"),
            ("Ctrl-J, \\ Enter", "a new line"),
            ("Esc", "cancel a question or a list, or abort the turn"),
            ("Ctrl-C", "the same, or clear the line; twice leaves"),
            ("Up, Down", "move in the text, and beyond it through earlier lines (Ctrl-R searches)"),
            ("Tab", "complete commands, @files of the agent, and files after /attach"),
            ("Ctrl-L", "clear the screen"),
            ("Ctrl-D", "leave"),
        ]
    }

    /// The bare names.
    static let names = descriptions.filter { $0.name.hasPrefix("/") }.flatMap { command in
        command.name.split(separator: ",").compactMap { $0.split(separator: " ").first.map(String.init) }
    }

    /// Commands that take nothing.
    private static let bare = Set(
        descriptions.filter { !$0.name.contains(" ") || $0.name.contains(",") }
            .flatMap { $0.name.split(separator: ",").map { String($0.drop { $0 == " " }) } })

    /// Reads a line that begins with a slash; `nil` if it is no command of ours.
    init?(_ line: String) {
        let word = line.prefix { !$0.isWhitespace }
        let rest = String(line.dropFirst(word.count).drop(while: \.isWhitespace))
        // Whoever writes more than that may mean a prompt, and some of these cannot be undone.
        guard rest.isEmpty || !Self.bare.contains(String(word)) else {
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
        case "/detach", "/quit", "/exit": self = .detach
        case "/fork": self = .fork
        case "/tree": self = .tree
        case "/clone": self = .clone
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
