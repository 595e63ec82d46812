import HypiTool

extension HypiSpawn {
    static let settings = Settings([.init("jobs")])

    static let manual = Manual(
        description: [
            "The hypivisor starts a pi-socket with a pi in each folder; they outlive hypi-spawn, the terminal and the "
                + "hypivisor. A record of specs/schemas/node.json is printed for each as soon as it can be used. A folder "
                + "that fails is one line on standard error, and the others start all the same.",
            "With - folders come from standard input as they are written: JSON objects with 'path' or 'cwd', as "
                + "hypi-dirs and hypi-ls print them, or plain lines, or with --null paths separated by NUL.",
            "--key and --if-absent make it fit for cron: an agent that runs already is printed, with "
                + "\"existing\":true, and none is started. Both need a hypivisor, also with --local: without one nobody "
                + "knows which agents run. What follows -- is passed on to pi.",
            "Under cron there is no terminal, no standard input and a PATH of /usr/bin:/bin. That is enough if the "
                + "hypivisor finds pi; programs beside hypi-spawn are found in any case.",
        ],
        sections: [
            .init("Guards", ["max-cost", "max-turn", "max-repeats", "idle-exit", "hook"]), .connection,
        ],
        examples: [
            "hypi-spawn ~/src/app --prompt 'run the tests'",
            "hypi-dirs ~/src --git --missing | hypi-spawn - | jq -r .id",
            "0 3 * * * /usr/local/bin/hypi-spawn ~/app --key n1 --prompt 'test it' # cron",
        ],
        exitStatus: [
            .init("0", "All agents run."), .init("1", "At least one of several folders failed."),
            .init("65", "A record on standard input names no folder."),
        ] + Manual.Entry.clientStatuses,
        environment: Manual.Entry.clientEnvironment + [.init("HYPI_PI", "With --local: the pi that is run.")],
        files: Manual.Entry.clientFiles + [
            .init("~/.local/state/hyper-pi/log/<id>.log", "The log of the agent with that id.")
        ])
}
