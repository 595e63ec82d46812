public import ArgumentParser
import HypiWire
public import Logging

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// How much is logged, as `--log-level` takes it.
public enum LogLevel: String, ExpressibleByArgument, Sendable, CaseIterable {
    /// Everything.
    case trace
    /// What helps to find a fault.
    case debug
    /// What an operator wants to see.
    case info
    /// Trouble from outside.
    case warning
    /// Defects of ours.
    case error

    /// The level of the logging library.
    public var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

/// How log lines look, as `--log-format` takes it.
public enum LogFormat: String, ExpressibleByArgument, Sendable, CaseIterable {
    /// `time level component: message key=value`.
    case text
    /// One JSON object a line; a defect of ours carries `"needsHardening":true`.
    case json
}

/// Writes log lines to standard error or a file, whole lines at once.
///
/// Levels mean: `error` a defect of ours, `warning` trouble from outside, `info` what an operator wants to see,
/// `debug` everything else. Tokens never get here, prompts' texts not above `debug`.
public struct LineLogHandler: Logging.LogHandler {
    /// What is left out below it.
    public var logLevel: Logger.Level
    /// Fields of every line.
    public var metadata: Logger.Metadata = [:]
    private let form: LogLine
    private let writer: LogWriter

    /// A handler for a component; without a file it writes to standard error.
    public init(component: String, level: Logger.Level, format: LogFormat, file: LogFile? = nil) {
        let form = LogLine(component: component, format: format)
        self.form = form
        logLevel = level
        writer = LogWriter(file: file) { count in
            form.bytes(.warning, "log lines lost, its reader is too slow", ["lines": "\(count)"]) + [UInt8(ascii: "\n")]
        }
    }

    /// One field.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Has one line written, and does not wait for it.
    public func log(event: LogEvent) {
        writer.write(line(for: event) + [UInt8(ascii: "\n")])
    }

    /// The line for one event, without its end.
    func line(for event: LogEvent) -> [UInt8] {
        form.bytes(event.level, "\(event.message)", metadata.merging(event.metadata ?? [:]) { $1 })
    }
}

/// How the lines of one program look.
private struct LogLine: Sendable {
    var component: String
    var format: LogFormat

    func bytes(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> [UInt8] {
        let fields = metadata.sorted { $0.key < $1.key }
        let time = Timestamp.text(milliseconds: WallClock.milliseconds())
        switch format {
        case .text:
            let pairs = fields.map { " \($0.key)=\(Self.quoted("\($0.value)"))" }.joined()
            return Array("\(time) \(level) \(component): \(message)\(pairs)".withoutControlCharacters.utf8)
        case .json:
            var object: JSONObject = [
                "ts": .string(time), "level": .string("\(level)"), "component": .string(component),
                "msg": .string(message),
            ]
            for field in fields { object[field.key] = .string("\(field.value)") }
            if level >= .error { object["needsHardening"] = true }
            return JSON.object(object).bytes
        }
    }

    private static func quoted(_ value: String) -> String {
        value.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) ? JSON.string(value).text : value
    }
}

/// The time of day.
public enum WallClock {
    /// Milliseconds since the epoch.
    public static func milliseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
