/// Spaces the pieces of an answer in time, so that it appears as fast as a person reads.
struct Pace {
    private let charactersPerSecond: Double
    private var due: ContinuousClock.Instant

    /// So many characters a second; 0 for as fast as possible.
    init(charactersPerSecond: Double) {
        self.charactersPerSecond = charactersPerSecond
        due = .now
    }

    /// Waits until a piece of this length may be followed by the next one.
    ///
    /// - Throws: `CancellationError` when the answer was aborted.
    mutating func pause(after characters: Int) async throws {
        guard charactersPerSecond > 0 else {
            try Task.checkCancellation()
            // Lets commands in between the pieces: an abort must find an answer that goes at full speed.
            await Task.yield()
            return
        }
        let now = ContinuousClock.now
        // A reader that was slow gets the rest at the usual pace, not all at once.
        due = max(due, now - .milliseconds(50)) + .seconds(Double(characters) / charactersPerSecond)
        if due > now {
            try await Task.sleep(until: due)
        } else {
            try Task.checkCancellation()
        }
    }
}
