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

    /// What an address is counted under: itself, or for IPv6 its /64, of which one guesser has all the addresses.
    private static func network(_ address: String) -> String {
        guard case .v6(let v6)? = try? SocketAddress(ipAddress: address, port: 0) else { return address }
        // Family, port and flow information are eight bytes, then comes the address (RFC 3493 section 3.3).
        return withUnsafeBytes(of: v6.address) { bytes in
            bytes[8..<16].map { String($0, radix: 16) }.joined(separator: ":")
        }
    }

    /// Whether further wrong attempts from an address get 429.
    func isThrottled(_ address: String, at now: NIODeadline) -> Bool {
        let network = Self.network(address)
        return windows.withLockedValue { windows in
            guard let window = windows[network], now - window.start < .minutes(1) else { return false }
            return window.count >= Limits.refusalsPerMinute
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
            windows[network] = Window(start: now, count: 1)
        }
    }
}
