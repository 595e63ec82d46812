import HypiWire

/// Commands of the person's own: `!ls` runs in the agent's folder, `!!ls` stays outside the conversation.
extension Chat {
    /// One of our commands, while it runs.
    struct Bash {
        var id: String
        var command: String
    }

    func runBash(_ line: String) {
        let isExcluded = line.hasPrefix("!!")
        let text = String(line.dropFirst(isExcluded ? 2 : 1).drop(while: \.isWhitespace))
        guard !text.isEmpty else {
            return transcript.warn("!COMMAND runs it in the agent's folder, !!COMMAND outside the conversation")
        }
        // Before 0.84 a second command makes the first one impossible to abort.
        guard bash == nil else {
            draft = line
            return transcript.warn("a command is running (Esc stops it)")
        }
        var command: JSONObject = ["type": "bash", "command": .string(text)]
        if isExcluded { command["excludeFromContext"] = true }
        let id = send(command) { chat, response in chat.bashEnded(response, line: line, isExcluded: isExcluded) }
        bash = Bash(id: id, command: text)
        transcript.startBash(id, text, now: .now)
        changed()
    }

    func stopBash(_ bash: Bash) {
        transcript.note("stopping \(bash.command)")
        send(["type": "abort_bash"])
        changed()
    }

    private func bashEnded(_ response: JSON, line: String, isExcluded: Bool) {
        guard let running = bash else { return }
        bash = nil
        changed()
        guard response["success"]?.bool == true else {
            transcript.dropBash(running.id)
            complain(response)
            if draft.isEmpty { draft = line }
            return
        }
        transcript.finishBash(running.id, response["data"] ?? .null, isExcluded: isExcluded, now: .now)
    }
}
