/// How long to wait before the next attempt: doubling, bounded, jittered so that a thousand agents do not return at once.
public struct Backoff: Sendable {
    /// The first delay.
    public let first: Duration
    /// The longest delay.
    public let longest: Duration
    private var attempt = 0

    /// A backoff that starts anew.
    public init(first: Duration = .milliseconds(500), longest: Duration = .seconds(30)) {
        self.first = first
        self.longest = longest
    }

    /// The next delay: a random one between half and all of `first * 2^n`, `longest` at most.
    ///
    /// - Parameter random: Where the jitter comes from.
    /// - Returns: The time to wait.
    public mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        var delay = first
        for _ in 0..<attempt where delay < longest { delay *= 2 }
        attempt += 1
        return min(delay, longest) * Double.random(in: 0.5...1, using: &random)
    }

    /// An attempt succeeded: the next failure starts from the first delay again.
    public mutating func reset() {
        attempt = 0
    }
}
