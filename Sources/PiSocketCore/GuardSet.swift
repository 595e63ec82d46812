import HypiWire
import NIOCore
import PiAdapter

/// Why a guard stopped the agent.
struct GuardTrip: Sendable, Equatable {
    /// The guard's name on the wire: `max-cost`, `max-turn`, `max-repeats`.
    var name: String
    /// What it saw, for people.
    var detail: String
}

/// What the guards may let happen; all of them are off unless asked for.
struct GuardLimits: Sendable, Equatable {
    /// US dollars of the session.
    var cost: Double?
    /// How long one run may take.
    var turn: Duration?
    /// How often the same failing tool call may come in a row.
    var repeats: Int?
}

/// Watches for an agent that burns money or goes in circles.
///
/// Pure: records and figures in, trips out.
struct GuardSet {
    private let limits: GuardLimits
    private var calls: [String: String] = [:]
    private var lastFailure: String?
    private var failureCount = 0
    private var costSoFar = 0.0
    /// What had been spent when a person let the agent go on.
    private var spared = 0.0

    init(_ limits: GuardLimits) {
        self.limits = limits
    }

    /// Takes the next record.
    mutating func apply(_ record: PiRecord) -> [GuardTrip] {
        guard let repeats = limits.repeats else { return [] }
        switch record.kind {
        case .toolStart:
            guard let id = text(record, "toolCallId") else { return [] }
            calls[id] = (text(record, "toolName") ?? "") + " " + (text(record, "args") ?? "")
        case .toolEnd:
            guard let id = text(record, "toolCallId"), let call = calls.removeValue(forKey: id) else { return [] }
            guard text(record, "isError") == "true" else {
                reset()
                return []
            }
            failureCount = call == lastFailure ? failureCount + 1 : 1
            lastFailure = call
            if failureCount >= repeats {
                return [
                    GuardTrip(name: "max-repeats", detail: "the same tool call failed \(failureCount) times running")
                ]
            }
        case .agentEnd: calls = [:]
        default: break
        }
        return []
    }

    /// Takes the session's cost so far.
    mutating func apply(cost: Double?) -> GuardTrip? {
        guard let limit = limits.cost, let cost else { return nil }
        costSoFar = cost
        guard cost > limit + spared else { return nil }
        return GuardTrip(
            name: "max-cost",
            detail: "the session has cost $\(Self.dollars(cost)), the limit is $\(Self.dollars(limit + spared))")
    }

    /// A person lets the agent go on: failures are counted anew, and as much money again may be spent.
    mutating func resume() {
        reset()
        spared = costSoFar
    }

    private mutating func reset() {
        lastFailure = nil
        failureCount = 0
    }

    /// Cents, and of an amount that is not whole cents hundredths of them: a turn of a small model costs less than one.
    private static func dollars(_ amount: Double) -> String {
        guard abs(amount) < 1e12 else { return "\(amount)" }
        let units = Int(clamping: (amount * 10_000).rounded())
        var fraction = String(10_000 + units % 10_000).dropFirst()
        while fraction.count > 2, fraction.last == "0" { fraction.removeLast() }
        return "\(units / 10_000).\(fraction)"
    }

    private func text(_ record: PiRecord, _ key: StaticString) -> String? {
        record.value(of: key).map { String(buffer: $0) }
    }
}
