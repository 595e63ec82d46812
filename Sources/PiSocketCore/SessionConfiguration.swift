import NIOCore

/// What a session is set up with; fixed for the life of the process.
struct SessionConfiguration: Sendable {
    /// The node's id.
    var id: String
    /// Tells this process from its predecessors, for `lastSeq`.
    var boot: String
    /// The working directory, absolute.
    var cwd: String
    /// Bytes of frames kept for slow viewers and replay.
    var replayBytes: Int
    /// When a dialog is cancelled that nobody is there to answer; `nil`: never.
    var uiTimeout: TimeAmount?
    /// What the guards allow.
    var guards: GuardLimits
}
