import HypiTool

extension PiSocketCommand {
    // Without port and host: hypivisor has these, too, and one file serves both.
    static let settings = Settings([
        .init("token-file", "HYPI_TOKEN", "HYPI_TOKEN_FILE"), .init("pi", "HYPI_PI"), .init("hook", "HYPI_HOOK"),
        .init("restart"), .init("grace"), .init("ui-timeout"), .init("replay"), .init("max-clients"),
        .init("max-cost"), .init("max-turn"), .init("max-repeats"), .init("idle-exit"), .init("allow-origin"),
        .init("allow-host"), .init("no-extension"), .init("log-level"), .init("log-format"),
    ])

    static let manual = Manual(
        description: [
            "It runs 'pi --mode rpc' in a folder, tells the hypivisor, and serves it to any number of viewers. When pi has "
                + "answered it prints one line, {\"event\":\"ready\",\"id\",\"url\",\"pid\",\"cwd\"}; the log goes to "
                + "standard error. What follows -- is passed on to pi.",
            "Without a hypivisor it works all the same, and looks for one again and again. Asked to stop it lets pi end its "
                + "turn; asked twice it does not wait. A pi that crashed is started again on its session; with --stdio only "
                + "if --restart on-failure is given, since the program that runs it expects pi's own end.",
            "A hook is a shell command that is run on ready, settled, input-required, error, guard and exit. The event is "
                + "a JSON object on its standard input; HYPI_EVENT, HYPI_ID, HYPI_NAME, HYPI_CWD and HYPI_MACHINE are in "
                + "its environment.",
        ],
        sections: [
            .init("Guards", ["max-cost", "max-turn", "max-repeats"]),
            .init("Ending", ["restart", "grace", "idle-exit", "ui-timeout"]),
            .init("Viewers", ["max-clients", "replay", "stdio", "no-extension"]),
            .init("Access", ["host", "no-auth", "allow-origin", "allow-host", "tls-cert", "tls-key"]),
            .connection, .log,
        ],
        examples: [
            "pi-socket                                           # serve pi in this folder",
            "pi-socket --detach --cwd ~/src/app -- --model sonnet",
            "pi-socket --pi pi-demo                              # a stand-in, no model",
        ],
        exitStatus: [
            .init("0", "Asked to stop, or --idle-exit passed."), .init("1", "pi ended and could not be started again."),
            .init("64", "The command line is wrong, or the folder is none."),
            .init("69", "pi cannot be started, or ended before it answered."), .init("71", "The system refused."),
            .init("73", "The port is taken, or a file cannot be created."), .inputOutput, .configuration,
        ],
        environment: [
            .init("HYPI_PI", "The pi that is run, with arguments if need be; else 'pi'."),
            .init("HYPI_HOOK", "The command that is told of events."),
            .init("PI_SOCKET_PORT", "Where the search for a free port begins; 8080 without it."),
            .init("PI_SOCKET_RECONNECT_MS", "The first delay before a lost hypivisor is tried again; 500."),
        ] + Manual.Entry.clientEnvironment,
        files: Manual.Entry.clientFiles + [
            .init("~/.local/state/hyper-pi/log/<id>.log", "The log of a detached agent."),
            .init("~/.local/state/hyper-pi/extension/", "The small extension that tells which tools pi has."),
        ])
}
