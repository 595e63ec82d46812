/// What `pi-demo` was started with.
public struct DemoOptions: Sendable {
    /// Which conversation to begin with.
    public enum Start: Sendable, Equatable {
        /// A new session, kept in a file.
        case new
        /// A new session that is never written.
        case unsaved
        /// The one that was written last for this working directory; a new one if there is none.
        case latest
        /// The one in this file (a path), or the one whose id starts so.
        case named(String)
    }

    /// Characters of an answer per second; 0 is as fast as possible.
    public var charactersPerSecond = 200.0
    /// The version of pi whose records are sent.
    public var wire = WireVersion.v0_84
    /// Which conversation to begin with.
    public var start = Start.new
    /// Where sessions are kept; `nil` for the directory of this working directory below ``agentDirectory``.
    public var sessionDirectory: String?
    /// The directory below which sessions are kept by default; never pi's own.
    public var agentDirectory: String
    /// The session's name, if one was given.
    public var name: String?
    /// The pattern of a model, if one was given: `id`, `provider/id` or a part of the id, with an optional `:thinking`.
    public var model: String?
    /// The thinking level, if one was given.
    public var thinking: String?

    /// Options that start a new session below an agent directory.
    public init(agentDirectory: String) {
        self.agentDirectory = agentDirectory
    }
}
