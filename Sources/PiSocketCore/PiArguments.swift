/// pi's own arguments, as far as the bridge has to understand them.
enum PiArguments {
    /// The arguments for starting pi again on a session: what chose another session is taken out.
    static func resuming(_ sessionFile: String, _ arguments: [String]) -> [String] {
        var kept: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--continue", "-c", "--resume", "-r", "--no-session": continue
            case "--session", "--fork": _ = rest.popFirst()
            default: kept.append(argument)
            }
        }
        return kept + ["--session", sessionFile]
    }
}
