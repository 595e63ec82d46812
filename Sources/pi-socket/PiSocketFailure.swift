import HypiTool
import HypiWire
import PiSocketCore

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Turns what the bridge throws into one line and a status.
enum PiSocketFailure {
    static func words(_ error: any Error) -> Failure {
        guard let error = error as? PiSocketError else { return Failure(error) }
        switch error {
        case .sessionInUse(let file, let holder):
            let agent = holder.map { "agent '\($0)'" } ?? "another agent"
            return Failure(
                .tryAgain, "session \(file) is in use by \(agent)",
                hint: holder.map { "talk to it with 'hypi-attach \($0)', or end it with 'hypi-attach --stop \($0)'" })
        case .cannotUse(let fault):
            return Failure(.unreachable, "cannot work in \(fault.path): \(fault.reason)")
        case .cannotStart(let command, let reason):
            return Failure(
                .unreachable, "cannot start pi: \(command): \(reason)",
                hint: "install pi, or name another with --pi or HYPI_PI where hypivisor or pi-socket starts")
        case .endedEarly(let command, let how, let complaint):
            return Failure(
                .unreachable, "pi ended before it answered: \(command): \(how)" + tail(complaint),
                hint: "run it by hand to see more: \(command) --mode rpc")
        case .ended(let how, let complaint):
            return Failure(.failure, "pi ended: \(how)" + tail(complaint))
        }
    }

    private static func tail(_ line: String) -> String {
        line.isEmpty ? "" : ": \(line)"
    }
}

extension PiSocket.Ready {
    /// The ready record, as specs/protocol.md has it.
    var record: JSON {
        var record: JSONObject = [
            "event": "ready", "id": .string(id), "url": .string(url.description), "pid": .int(getpid()),
            "cwd": .string(cwd),
        ]
        if let pin { record["tls_pin"] = .string("\(pin)") }
        return .object(record)
    }
}
