import HypiTool

extension HypiDirs {
    static let manual = Manual(
        description: [
            "Folders are listed as the hypivisor sees them: on its machine, within its roots, without hidden ones. In a "
                + "pipe each is a JSON object: {\"path\",\"name\",\"git\",\"agents\"} (specs/schemas/directory.json). On "
                + "a terminal it prints names, and with --print0 paths for xargs -0 and fzf --read0.",
            "--depth goes down level by level, many folders at once; symbolic links do not lead it in circles.",
        ],
        sections: [.connection],
        examples: [
            "hypi-dirs ~/src --git --missing | hypi-spawn -    # for every repository",
            "hypi-dirs ~/src --depth 3 --print0 | fzf --read0  # choose one",
            "hypi-dirs | jq -r 'select(.agents > 0) | .path'   # where agents work",
        ],
        exitStatus: [.done, .init("1", "A folder cannot be listed; the others are.")]
            + Manual.Entry.clientStatuses,
        environment: Manual.Entry.clientEnvironment, files: Manual.Entry.clientFiles)
}
