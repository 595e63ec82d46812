import HypiWire

/// An agent that has ended: the chat offers to bring it back, or ends, too.
extension Chat {
    /// pi has ended and is not started again.
    func agentEnded() {
        setRunning(false)
        bash = nil
        // Somebody who has ended it here wants no question; without a registry nobody can start it again.
        guard !hasAskedToStop, let node = surroundings.node, surroundings.canRevive else {
            transcript.warn("the agent has ended")
            return end(.gone(comeBack: surroundings.node.map { revival(of: $0) }))
        }
        transcript.warn("the agent has ended (\(node.cwd))")
        if case .revive = mode { return }
        mode = .revive(saved: draft)
        editor.text = ""
        setPrompt()
    }

    func answerRevival(_ text: String, _ saved: String) {
        switch text.lowercased() {
        case "y", "yes":
            leaveQuestion(saved)
            end(.revive(sessionFile: sessionFile))
        case "n", "no":
            leaveQuestion(saved)
            end(.gone(comeBack: surroundings.node.map { revival(of: $0) }))
        default: editor.text = ""
        }
        changed()
    }

    /// It is there again, by whatever means.
    func agentIsBack() {
        if case .revive(let saved) = mode { leaveQuestion(saved) }
    }

    private func revival(of node: Node) -> Revival {
        Revival(folder: node.cwd, sessionFile: sessionFile)
    }
}

/// What is needed to bring an agent back.
public struct Revival: Sendable, Equatable {
    /// The agent's working folder, on its machine.
    public var folder: String
    /// The session it had; `nil` if it kept none.
    public var sessionFile: String?
}
