import HypiWire
import NIOConcurrencyHelpers
import NIOCore

/// Counts wrong attempts by address over the last minute, and the answers that are delayed because of them.
///
/// Shared by all loops of one server and bounded in addresses. A lock, because accepting connections happens on every
/// loop and the work under it is a dictionary look-up.
final class RefusalLog: Sendable {
    private struct Window {
        var start: NIODeadline
        var count: Int
        /// When the answers that are delayed will be given: a peer that hangs up earlier gains nothing.
        var delayed: [NIODeadline] = []
    }

    private let windows = NIOLockedValueBox<[String: Window]>([:])

    /// What an address is counted under: itself, or for IPv6 its /64, of which one guesser has all the addresses; all
    /// addresses of loopback are one.
    static func network(_ address: String) -> String {
        if WebSocketURL.isLoopback(address) { return "loopback" }
        guard case .v6(let v6)? = try? SocketAddress(ipAddress: address, port: 0) else { return address }
        // Family, port and flow information are eight bytes, then comes the address (RFC 3493 section 3.3).
        return withUnsafeBytes(of: v6.address) { bytes in
            bytes[8..<16].map { String($0, radix: 16) }.joined(separator: ":")
        }
    }

    /// Whether the answers to further wrong attempts from an address are delayed.
    func isThrottled(_ address: String, at now: NIODeadline) -> Bool {
        let network = Self.network(address)
        return windows.withLockedValue { windows in
            guard let window = windows[network], now - window.start < .minutes(1) else { return false }
            return window.count >= Limits.refusalsPerMinute
        }
    }

    /// Takes one of the places for delayed answers that an address has.
    ///
    /// - Returns: Whether there was one; if not, nothing may be said about the attempt, nor learnt from its answer.
    func delay(_ address: String, until end: NIODeadline, at now: NIODeadline) -> Bool {
        let network = Self.network(address)
        return windows.withLockedValue { windows in
            guard var window = windows[network] else { return true }
            window.delayed.removeAll { $0 <= now }
            guard window.delayed.count < Limits.delayedRefusals else { return false }
            window.delayed.append(end)
            windows[network] = window
            return true
        }
    }

    /// Counts one wrong attempt.
    func record(_ address: String, at now: NIODeadline) {
        let network = Self.network(address)
        windows.withLockedValue { windows in
            if let window = windows[network], now - window.start < .minutes(1) {
                windows[network]?.count = window.count + 1
                return
            }
            if windows.count >= Limits.refusalAddresses,
                let oldest = windows.min(by: { $0.value.start < $1.value.start })
            {
                windows[oldest.key] = nil
            }
            windows[network] = Window(start: now, count: 1, delayed: windows[network]?.delayed ?? [])
        }
    }
}
