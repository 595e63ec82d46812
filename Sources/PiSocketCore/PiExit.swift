import PiAdapter

/// How pi ended.
struct PiExit: Sendable, Equatable {
    /// The exit code, if it exited.
    var code: Int?
    /// The signal, if one killed it.
    var signal: Int?
    /// The end of what it wrote to stderr.
    var lastWords: String

    /// Whether it ended by itself, without a complaint.
    var isClean: Bool {
        code == 0
    }
}

extension PiExit {
    /// How it ended, as part of a sentence.
    var how: String {
        if let signal { return "killed by signal \(signal)" }
        return "exit status \(code ?? 0)"
    }

    /// The line of stderr that says why it ended.
    var complaint: String {
        ErrorOutput.complaint(in: lastWords)
    }
}
