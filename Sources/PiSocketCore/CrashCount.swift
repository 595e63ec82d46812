/// Counts crashes over the last ten minutes.
struct CrashCount {
    private static let limit = 3
    private static let window = Duration.seconds(600)
    private var times: [ContinuousClock.Instant] = []

    /// Counts a crash; false if there have been too many for another start.
    mutating func mayRestart(at now: ContinuousClock.Instant) -> Bool {
        times.removeAll { now - $0 > Self.window }
        guard times.count < Self.limit else { return false }
        times.append(now)
        return true
    }
}
