import ArgumentParser
import HypiTool
import HypiWire

/// Where folders come from.
struct InputOptions: ParsableArguments {
    @Flag(name: [.customShort("0"), .customLong("null")], help: "With -: folders are separated by NUL.")
    var null = false
}

/// How agents are started.
struct StartOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How many at a time.", valueName: "count")) var jobs = 4
    @Flag(help: "Do not wait until the agent is usable.") var noWait = false
    @Flag(help: "Start it here if no hypivisor runs.") var local = false

    func validate() throws {
        guard 1...64 ~= jobs else { throw ValidationError("--jobs must be 1 to 64") }
    }
}

/// What stops the agent or tells of it; passed on to pi-socket, which reads the values.
struct GuardOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("Block the agent beyond this cost.", valueName: "usd"))
    var maxCost: Dollars?
    @Option(help: ArgumentHelp("Block it after a longer turn.", valueName: "time")) var maxTurn: TimeSpan?
    @Option(help: ArgumentHelp("Block it when the same call fails this often.", valueName: "count"))
    var maxRepeats: Int?
    @Option(help: ArgumentHelp("End it after this time without work.", valueName: "time")) var idleExit: TimeSpan?
    @Option(help: ArgumentHelp("Have it run this hook of the hypivisor on events.", valueName: "name"))
    var hook: String?

    /// Those that were given, by their names on the wire.
    var given: [(name: String, value: String)] {
        let options = [
            ("max_cost", maxCost?.text), ("max_turn", maxTurn?.text),
            ("max_repeats", maxRepeats.map(String.init)), ("idle_exit", idleExit?.text), ("hook", hook),
        ]
        return options.compactMap { name, value in value.map { (name, $0) } }
    }

    func validate() throws {
        guard maxRepeats.map({ $0 > 0 }) ?? true else { throw ValidationError("--max-repeats must be positive") }
    }
}

/// What is started.
struct AgentOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Make this folder below DIR and start there.", valueName: "name"))
    var newFolder: String?
    @Option(help: "The agent's name in lists.") var name: String?
    @Option(help: "Start it only if no agent with this key runs.") var key: String?
    @Flag(help: "Start it only if no agent runs in the folder.") var ifAbsent = false
    @Option(help: ArgumentHelp("Its first task; an agent that ran already gets it too.", valueName: "text"))
    var prompt: String?
    @Option(
        help: ArgumentHelp("Go on with this session file, or session id.", valueName: "session"), completion: .file())
    var resume: String?

    func validate(isSingle: Bool) throws {
        guard isSingle || key == nil else { throw ValidationError("--key names one agent: give one folder") }
        guard isSingle || resume == nil else {
            throw ValidationError("--resume goes on with one session: give one folder")
        }
        guard key != "", name != "" else { throw ValidationError("--key and --name must not be empty") }
        guard let prompt else { return }
        guard prompt.contains(where: { !$0.isWhitespace }) else { throw ValidationError("--prompt is empty") }
    }

    /// The order for each folder.
    ///
    /// A session is a file where it looks like one (it holds a slash, or there is such a file here); pi itself looks up
    /// everything else among the sessions of the agent's folder.
    ///
    /// - Throws: `Failure` with status 64 for a relative path without a working folder.
    func order(
        _ piArguments: [String], _ guards: GuardOptions, from folder: WorkingFolder
    ) throws(Failure) -> SpawnOrder {
        var order = SpawnOrder(
            newFolder: newFolder, name: name, key: key, isOnlyIfAbsent: ifAbsent, prompt: prompt,
            piArguments: piArguments, guards: guards.given)
        if let resume {
            if let real = folder.existing(resume) {
                order.sessionFile = real
            } else if resume.contains("/") {
                order.sessionFile = try folder.absolute(resume)
            } else {
                order.piArguments = ["--session", resume] + piArguments
            }
        }
        return order
    }
}

/// What is to be started in a folder.
struct SpawnOrder: Sendable {
    /// A folder to make below it, and to start in.
    var newFolder: String?
    /// The agent's name.
    var name: String?
    /// At most one agent runs with this key.
    var key: String?
    /// Whether an agent that runs in the folder already will do.
    var isOnlyIfAbsent: Bool
    /// The first task.
    var prompt: String?
    /// Arguments for pi.
    var piArguments: [String]
    /// What stops it or tells of it: names on the wire, and values as pi-socket's options take them.
    var guards: [(name: String, value: String)]
    /// The session to go on with, absolute.
    var sessionFile: String?
}
