import HypiWire
import NIOConcurrencyHelpers
import NIOCore

/// Counts wrong attempts by address over the last minute, so that a guesser is slowed down.
///
/// Shared by all loops of one server and bounded in addresses. A lock, because accepting connections happens on every
/// loop and the work under it is a dictionary look-up.
final class RefusalLog: Sendable {
    private struct Window {
        var start: NIODeadline
        var count: Int
    }

    private let windows = NIOLockedValueBox<[String: Window]>([:])

    /// Whether further wrong attempts from an address get 429.
    func isThrottled(_ address: String, at now: NIODeadline) -> Bool {
        windows.withLockedValue { windows in
            guard let window = windows[address], now - window.start < .minutes(1) else { return false }
            return window.count >= Limits.refusalsPerMinute
        }
    }

    /// Counts one wrong attempt.
    func record(_ address: String, at now: NIODeadline) {
        windows.withLockedValue { windows in
            if let window = windows[address], now - window.start < .minutes(1) {
                windows[address]?.count = window.count + 1
                return
            }
            if windows.count >= Limits.refusalAddresses,
                let oldest = windows.min(by: { $0.value.start < $1.value.start })
            {
                windows[oldest.key] = nil
            }
            windows[address] = Window(start: now, count: 1)
        }
    }
}
