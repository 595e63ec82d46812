import ChatCore
import HypiTool

extension Failure {
    /// Any error of an attachment in words.
    init(attaching error: any Error) {
        if let fault = error as? AgentFault { self.init(agent: fault) } else { self.init(error) }
    }

    /// What went wrong with an agent, in words, and the status scripts see.
    init(agent fault: AgentFault) {
        switch fault {
        case .relayRefused(let code, let message):
            self.init(
                code == "not_found" ? .failure : .unreachable, message.lowercasingFirst,
                hint: "'hypi-ls' lists the agents")
        case .helloRefused(let code, let message):
            self.init(.peerProtocol, "the agent refused us: \(message)" + (code.isEmpty ? "" : " [\(code)]"))
        case .oldAgent:
            self.init(
                .peerProtocol, "this agent speaks version 1 only", hint: "start it with 'hypi-spawn' or 'pi-socket'")
        case .malformed(let reason): self.init(.peerProtocol, reason)
        case .gone(let reason): self.init(.unreachable, "the agent did not come back: \(reason)")
        case .tooManyCommands(let limit): self.init(.tryAgain, "\(limit) commands wait for an answer")
        case .failed(let reason): self.init(.failure, reason.lowercasingFirst)
        case .needsAnswer(let dialog):
            self.init(.tryAgain, "the agent asks: \(dialog.summary)", hint: "see --answer and --deny")
        case .interrupted(let reason): self.init(.failure, reason)
        case .timedOut(let limit): self.init(.timedOut, "gave up after \(limit)", hint: "the agent goes on")
        case .badInput(let line, let reason): self.init(.badInput, "standard input, line \(line): \(reason)")
        }
    }
}

extension String {
    /// The text as part of a line that begins with the tool's name.
    fileprivate var lowercasingFirst: String {
        guard let first, first.isUppercase, dropFirst().first?.isLowercase == true else { return self }
        return first.lowercased() + dropFirst()
    }
}
