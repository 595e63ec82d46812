import HypiTool

extension HypiLs {
    static let settings = Settings([.init("no-color", "NO_COLOR")])

    static let manual = Manual(
        description: [
            "On a terminal it prints a table, sorted so that agents which need a person come first; in a pipe one JSON "
                + "object a line, with the fields of specs/schemas/node.json. No agents are no output, and success.",
            "A target is an id, the start of one that only one agent has, a name, the path of a folder or its last part. "
                + "A word that means several agents is answered with the candidates; it is never guessed.",
            "With --watch the agents there are come first, then every change as it happens: "
                + "{\"event\",\"cursor\",\"node\"} or {\"event\",\"cursor\",\"id\"}, through any number of lost "
                + "connections. --since takes such a cursor and goes on behind it. On a terminal the table redraws itself.",
            "With --wait it returns when all agents that were chosen have reached the state, and prints them.",
        ],
        sections: [.connection],
        examples: [
            "hypi-ls | jq -r 'select(.activity==\"idle\") | .id'   # ids of idle agents",
            "hypi-ls --watch --activity input-required           # who needs me, live",
            "hypi-ls --wait idle --timeout 10m ~/src/app         # until its turn is over",
        ],
        exitStatus: [.done, .init("1", "No agent is called so, or an agent that was waited for has gone.")]
            + Manual.Entry.clientStatuses,
        environment: Manual.Entry.clientEnvironment + [.colors],
        files: Manual.Entry.clientFiles)
}
