public import ArgumentParser

/// A time on the command line: `30`, `30s`, `500ms`, `10m`, `2h`; a bare number is seconds.
public struct TimeSpan: ExpressibleByArgument, Sendable, Equatable {
    /// The time.
    public var duration: Duration

    /// A time from its text; `nil` if it is none, or not positive.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let value = Double(digits), value > 0, value < 1e9 else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(value)
        case "", "s": duration = .seconds(value)
        case "m": duration = .seconds(value * 60)
        case "h": duration = .seconds(value * 3600)
        case "d": duration = .seconds(value * 86_400)
        default: return nil
        }
    }
}

/// A number of bytes on the command line: `4096`, `64K`, `16M`, `1G`; powers of 1024.
public struct ByteSize: ExpressibleByArgument, Sendable, Equatable {
    /// The number of bytes.
    public var byteCount: Int

    /// A size from its text; `nil` if it is none.
    public init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits), value < 1 << 40 else { return nil }
        switch argument.dropFirst(digits.count).uppercased() {
        case "", "B": byteCount = value
        case "K", "KB", "KIB": byteCount = value << 10
        case "M", "MB", "MIB": byteCount = value << 20
        case "G", "GB", "GIB": byteCount = value << 30
        default: return nil
        }
    }
}
