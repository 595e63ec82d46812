/// What Enter does with a line while the agent works; Alt-Enter does the other thing.
public enum EnterKey: String, Sendable, CaseIterable {
    /// The agent hears it between two tools of the running turn, as in pi's own terminal.
    case steer
    /// It waits for the end of the turn.
    case queue

    /// pi's `streamingBehavior` for a line.
    func behaviour(withAlt: Bool) -> String {
        (self == .steer) != withAlt ? "steer" : "followUp"
    }

    /// What the keys do, for a person.
    var summary: String {
        self == .steer ? "Enter steers, Alt-Enter queues" : "Enter queues, Alt-Enter steers"
    }
}
