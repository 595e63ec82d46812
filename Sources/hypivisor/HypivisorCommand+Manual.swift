import HypiTool

extension HypivisorCommand {
    // Without port and host: pi-socket has these, too, and one file serves both.
    static let settings = Settings([
        .init("token-file", "HYPI_TOKEN", "HYPI_TOKEN_FILE"), .init("root"), .init("node-ttl"), .init("heartbeat"),
        .init("allow-origin"), .init("allow-host"), .init("max-connections"), .init("max-agents"), .init("no-spawn"),
        .init("spawn-command"), .init("spawn-hook"), .init("allow-hooks"),
        .init("allow-args"), .init("env"), .init("clean-env"), .init("log-level"), .init("log-format"),
    ])

    static let manual = Manual(
        description: [
            "It is the registry of agents: who runs where, live events, a relay to any agent, starting agents, listing "
                + "folders. When it can be used it prints one line, {\"event\":\"ready\",\"url\",\"port\",\"pid\"}, and "
                + "logs to standard error.",
            "Nothing of it harms an agent: stop it, or kill it, and agents come back to the next one by themselves.",
            "Whoever can talk to it can have commands run on this machine. It listens on loopback, wants a token, and "
                + "refuses browsers from other origins; --host opens it, and only with a token.",
        ],
        sections: [
            .init("Access", ["token-file", "no-auth", "allow-origin", "allow-host"]),
            .init("TLS", ["tls-cert", "tls-key", "tls-self-signed"]),
            .init("Agents", ["spawn-hook", "allow-hooks", "allow-args", "env", "clean-env"]),
            .init("Limits", ["max-connections", "max-agents", "heartbeat", "node-ttl"]), .log,
        ],
        examples: [
            "hypivisor &                                # on ws://127.0.0.1:31415/ws",
            "hypivisor --root ~/src --root /srv         # agents live there only",
            "hypivisor --systemd-unit > ~/.config/systemd/user/hypivisor.service",
        ],
        exitStatus: [
            .init("0", "Asked to stop, by SIGTERM or SIGINT."), .init("64", "The command line is wrong."),
            .init("73", "The port is taken, or the address cannot be listened on."), .inputOutput, .configuration,
        ],
        environment: [
            .token, .tokenVariable,
            .init(
                "HYPI_PI, HYPI_HOOK",
                "Are passed on to the agents that it starts, as all of its environment is but for the token and what "
                    + "systemd tells hypivisor alone. See --env and --clean-env."),
            .init("NOTIFY_SOCKET", "Where systemd is told that it is ready."), .folders,
        ],
        files: [
            .configFile, .tokenFile, .announcement,
            .init("~/.local/state/hyper-pi/log/<id>.log", "The log of an agent that it started."),
        ])
}
