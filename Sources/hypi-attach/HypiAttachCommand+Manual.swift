import HypiTool

extension HypiAttachCommand {
    static let settings = Settings([.init("jobs"), .init("enter")])

    static let manual = Manual(
        description: [
            "On a terminal it is a chat: /help lists its commands and keys, and Ctrl-D leaves while the agent keeps "
                + "running. While the agent works, Enter steers it and Alt-Enter queues the line; --enter queue, or "
                + "'enter = queue' in the config file, swaps them. With -p, or "
                + "with text on standard input, it sends one prompt, streams the answer to standard output and ends with "
                + "a status that says how it went.",
            "Text in a pipe or file on standard input is appended to the prompt of -p; -p - is all of it. It is left alone "
                + "where a calling program reads it too, as a loop over a list does, where a file was read in part, and "
                + "after 3 s in which nothing came.",
            "The target is an id, the start of one, a name, a folder's path or its last part; ws://HOST:PORT goes straight "
                + "to a pi-socket; - reads agents from standard input, as records or ids that hypi-ls prints, and talks to all of them.",
            "A connection that breaks is taken up again where it broke: nothing is lost, and nothing is said twice.",
        ],
        sections: [
            .init("Dialogs", ["answer", "deny"]), .init("More", ["role", "no-wait", "jobs", "enter"]), .connection,
        ],
        examples: [
            "hypi-attach api                                     # sit down and chat",
            "hypi-attach -p 'run the tests' api && notify-send done",
            "hypi-ls | hypi-attach -p 'status?' -                # ask all of them",
        ],
        exitStatus: [
            .init("0", "Answered, or done."),
            .init("1", "The agent refused, failed or was aborted, or no agent is called so."),
            .usage, .init("65", "A line on standard input is no command, or no agent."), .unreachable, .inputOutput,
            .init("75", "The agent needs an answer: see --answer and --deny."), .peerProtocol, .refused,
            .configuration, .timedOut,
        ],
        environment: Manual.Entry.clientEnvironment + [
            .init("VISUAL, EDITOR", "The editor for a long prompt."), .colors,
        ],
        files: Manual.Entry.clientFiles + [
            .init("~/.local/state/hyper-pi/history-*", "The lines typed in chats, a file for each project folder.")
        ])
}
