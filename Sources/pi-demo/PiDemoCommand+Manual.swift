import HypiTool

extension PiDemoCommand {
    static let manual = Manual(
        description: [
            "It is started as pi is; --mode rpc may be left out, for there is no other mode. Options of pi that it does "
                + "not know are ignored, with a word on standard error. Its records have the shapes and the order of a "
                + "real pi's.",
            "A line '!COMMAND' in a prompt really runs COMMAND. It knows the prompts /ask, /long N, /error, /retry N, "
                + "/crash, /hang, /tool N, /notify TEXT, /noise and /big BYTES; the command get_commands describes them.",
        ],
        sections: [.init("Ignored", ["mode", "provider", "extension"])],
        examples: [
            "pi-socket --pi pi-demo --detach      # an agent without a model",
            "pi-socket --pi 'pi-demo --rate 0'    # answers at once",
            "echo '{\"type\":\"prompt\",\"message\":\"hello\"}' | pi-demo",
        ],
        exitStatus: [
            .init("0", "Its standard input ended."), .init("1", "It crashed, as /crash asks for, or cannot go on."),
            .init("64", "The command line is wrong."),
        ],
        environment: [.init("PI_CODING_AGENT_DIR", "Where sessions are kept, instead of ~/.pi-demo/agent.")],
        files: [.init("~/.pi-demo/agent/sessions/", "Its sessions; never those of a real pi.")])
}
