public import ArgumentParser

/// How long a program may take; the same option for every program that ends by itself.
public struct TimeoutOptions: ParsableArguments, Sendable {
    /// How long the program may take.
    @Option(help: ArgumentHelp("Give up after this time, such as 30s or 5m (exit 124).", valueName: "time"))
    public var timeout: TimeSpan?

    /// Options that were not given.
    public init() {}

    /// How long the program may take: the option, else the config file, else `usual`.
    ///
    /// - Parameters:
    ///   - environment: The program's environment.
    ///   - usual: The program's own limit; `nil` if it has none.
    /// - Returns: The limit; `nil` where there is none, which `--timeout 0` asks for.
    /// - Throws: ``Failure`` with status 78 if the config file's `timeout` is no time.
    public func timeLimit(_ environment: Environment, usual: Duration?) throws(Failure) -> Duration? {
        var limit = usual
        if let timeout {
            limit = timeout.duration
        } else if let setting = try ConfigFile(environment: environment).settings(of: "timeout").first {
            guard let span = TimeSpan(argument: setting.value) else {
                throw setting.failure("is no time", hint: "expected \(TimeSpan.form)")
            }
            limit = span.duration
        }
        return limit == .zero ? nil : limit
    }
}
