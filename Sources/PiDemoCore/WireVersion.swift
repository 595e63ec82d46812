import HypiWire

/// The version of pi whose records `pi-demo` sends.
///
/// The differences between the versions were seen in recordings of a real pi.
public enum WireVersion: String, Sendable, CaseIterable {
    case v0_58 = "0.58"
    case v0_79 = "0.79"
    case v0_84 = "0.84"
    case v0_87 = "0.87"
    case v1_0 = "1.0"
}

extension WireVersion: Comparable {
    /// Whether a version is older than another.
    public static func < (left: Self, right: Self) -> Bool {
        left.position < right.position
    }

    private var position: Int {
        switch self {
        case .v0_58: 0
        case .v0_79: 1
        case .v0_84: 2
        case .v0_87: 3
        case .v1_0: 4
        }
    }
}

/// What happened to a prompt, as the responses of pi 1.0 report it.
enum Disposition: String {
    case started, queued, handled
}

extension Agent {
    /// Answers `prompt`, `steer` or `follow_up`; pi 1.0 adds what happened to it.
    func accept(_ command: Command, _ disposition: Disposition) {
        send(command.success(wire < .v1_0 ? nil : ["disposition": .string(disposition.rawValue)]))
    }
}
