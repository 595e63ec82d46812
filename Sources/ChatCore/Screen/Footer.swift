/// The row above the line: what the agent runs on, what it has cost, and who else is there.
struct Footer: Sendable, Equatable {
    /// `provider/model`.
    var model: String?
    /// US dollars.
    var cost: Double?
    /// How full the context is.
    var contextPercent: Double?
    /// Other people and programs that watch.
    var others = 0

    /// The row; `nil` if nothing is known.
    func text(queued: Int) -> String? {
        let parts: [String?] = [
            model, cost.flatMap(Self.money), contextPercent.flatMap(Self.percent).map { "\($0) of context" },
            queued > 0 ? "\(queued) queued" : nil,
            others > 0 ? "\(others) other\(others == 1 ? "" : "s") watching" : nil,
        ]
        let text = parts.compactMap { $0 }.joined(separator: " · ")
        return text.isEmpty ? nil : text
    }

    /// `$1.23`; `nil` for what is not an amount of money.
    ///
    /// The number comes from a peer and may be anything.
    static func money(_ amount: Double) -> String? {
        guard amount >= 0, let cents = Int(exactly: (amount * 100).rounded()) else { return nil }
        return "$\(cents / 100)." + (cents % 100 < 10 ? "0" : "") + "\(cents % 100)"
    }

    /// `12%`; `nil` for what is no part of a whole.
    static func percent(_ percent: Double) -> String? {
        guard percent >= 0, percent < 1000 else { return nil }
        return "\(Int(exactly: percent.rounded(.down)) ?? 0)%"
    }
}
