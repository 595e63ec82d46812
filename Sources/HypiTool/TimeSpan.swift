/// A length of time as it is typed: `30`, `1.5`, `250ms`, `30s`, `5m`, `2h`, `1d`; seconds unless it says otherwise.
public struct TimeSpan: OptionValue, Equatable {
    /// The length; zero means that there is no limit.
    public let duration: Duration
    /// The text it was read from.
    public let text: String

    /// What is expected.
    public static let form = "a time such as 250ms, 30s, 5m or 2h"

    /// Longer than any program waits; keeps the arithmetic within bounds.
    private static let longestSeconds = 1e9

    /// Reads a length of time; `nil` if the text is none or negative.
    public init?(argument: String) {
        let number = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let scale: Double
        switch argument.dropFirst(number.count) {
        case "ms": scale = 0.001
        case "", "s": scale = 1
        case "m": scale = 60
        case "h": scale = 3600
        case "d": scale = 86_400
        default: return nil
        }
        guard let value = Double(number), value * scale <= Self.longestSeconds else { return nil }
        duration = .seconds(value * scale)
        text = argument
    }

    /// A length of time in the words of a message: `60 s`, `250 ms`.
    public static func words(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }
}
