/// Why a conversation with an agent cannot go on.
public enum AgentFault: Error, Sendable, Equatable {
    /// The relay does not know the agent, or does not reach it; its code and words.
    case relayRefused(code: String, message: String)
    /// The agent's bridge refused our hello; its code and words.
    case helloRefused(code: String, message: String)
    /// The agent's bridge speaks version 1 only, without the session dialect.
    case oldAgent
    /// The peer broke the protocol.
    case malformed(String)
    /// The connection did not come back in time; the last reason.
    case gone(reason: String)
    /// Too many commands wait for an answer.
    case tooManyCommands(limit: Int)
    /// The agent did not do what it was asked: refused, failed or was aborted; its own words.
    case failed(String)
    /// The agent waits for an answer that was not given.
    case needsAnswer(DialogRequest)
    /// A prompt's fate is unknown, or its text cannot be joined to what was printed.
    case interrupted(String)
    /// The time that was allowed has passed.
    case timedOut(Duration)
    /// An input record is wrong: its line, counted from one, and why.
    case badInput(line: Int, reason: String)
}
