import HypiWire

/// Compaction: earlier messages give way to a summary, by hand or when the context is nearly full.
extension Agent {
    /// Part of the window that must stay free, or the context is compacted.
    private static let reservedShare = 8

    /// Compacts because the client asked.
    func compact(_ command: Command) async {
        await abandonRun()
        guard session.branch.last?["type"]?.string != "compaction" else { return refuse(command, "Already compacted") }
        guard wire < .v0_84 || session.context.contains(where: { Message.role($0) == "user" }) else {
            return refuse(command, "Nothing to compact (session too small)")
        }
        isCompacting = true
        emit(since: .v0_79, ["type": "compaction_start", "reason": "manual"])
        let result = await summarize(command["customInstructions"]?.string)
        isCompacting = false
        emit(
            since: .v0_79,
            [
                "type": "compaction_end", "reason": "manual", "result": result, "aborted": false, "willRetry": false,
            ])
        send(command.success(result))
    }

    /// Refuses to compact; since 0.79 events report the attempt, too.
    private func refuse(_ command: Command, _ error: String) {
        emit(since: .v0_79, ["type": "compaction_start", "reason": "manual"])
        emit(
            since: .v0_79,
            [
                "type": "compaction_end", "reason": "manual", "aborted": false, "willRetry": false,
                "errorMessage": .string("Compaction failed: \(error)"),
            ])
        fail(command, error)
    }

    /// Compacts if the last answer left the context nearly full.
    func compactIfNeeded() async {
        let used = session.context.last?["usage"]?["totalTokens"]?.int ?? 0
        guard isAutoCompacting, !isMuted, used > model.contextWindow - model.contextWindow / Self.reservedShare else {
            return
        }
        isCompacting = true
        let prefix = wire < .v0_79 ? "auto_compaction" : "compaction"
        emit(["type": .string("\(prefix)_start"), "reason": "threshold"])
        let result = await summarize(nil)
        isCompacting = false
        var end: JSONObject = ["type": .string("\(prefix)_end")]
        if wire >= .v0_79 { end["reason"] = "threshold" }
        for (key, value) in [("result", result), ("aborted", false), ("willRetry", false)] { end[key] = value }
        emit(.object(end))
    }

    /// Makes the summary, at the pace of an answer, and puts it in place of what came before the last prompt.
    private func summarize(_ instructions: String?) async -> JSON {
        let text = summary(instructions)
        var pace = Pace(charactersPerSecond: charactersPerSecond * 4)
        // Not aborted by an abort, as in pi.
        try? await pace.pause(after: text.count)
        let tokensBefore = session.context.last { $0["usage"] != nil }?["usage"]?["totalTokens"]?.int ?? 0
        let firstKept = session.branch.last { $0["message"].map(Message.role) == "user" } ?? session.branch.last
        var result: JSONObject = [
            "summary": .string(text), "firstKeptEntryId": firstKept?["id"] ?? "", "tokensBefore": .int(tokensBefore),
        ]
        let details: JSON = ["readFiles": [], "modifiedFiles": []]
        let usage = Usage(input: tokensBefore, output: Usage.tokens(text), price: model.price).json
        var entry = result
        entry["details"] = details
        if wire >= .v0_84 { entry["usage"] = usage }
        session.compact(entry)
        if wire >= .v0_84 {
            result["estimatedTokensAfter"] = .int(session.context.map(Usage.tokens(ofMessage:)).reduce(0, +))
            result["usage"] = usage
        }
        result["details"] = details
        return .object(result)
    }

    private func summary(_ instructions: String?) -> String {
        let prompts = session.branch.compactMap { $0["message"] }.filter { Message.role($0) == "user" }
        var text = "## Goal\nThe user tries out pi-demo.\n\n## Progress\n"
        for (index, prompt) in prompts.enumerated().suffix(10) {
            text += "\(index + 1). \(Message.plainText(prompt).prefix(80))\n"
        }
        if let instructions { text += "\n## Instructions\n\(instructions.prefix(280))\n" }
        return text
    }
}
