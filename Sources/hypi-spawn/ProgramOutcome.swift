import HypiTool
import Subprocess

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// What a program that was run to its end printed, and how it ended.
struct ProgramOutcome {
    /// The most of either stream that is taken; a program that prints more has failed.
    private static let outputBytes = 64 << 10

    let output: String
    let errors: String
    let status: ExitStatus

    /// Runs a program in our environment, without input.
    ///
    /// - Parameters:
    ///   - program: Its path.
    ///   - arguments: Its arguments.
    ///   - variables: What is added to the environment.
    /// - Throws: `Failure` with status 71 if it cannot be run.
    init(running program: String, _ arguments: [String], adding variables: [String: String]) async throws {
        do {
            let additions = variables.map { (Subprocess.Environment.Key(stringLiteral: $0), String?.some($1)) }
            let result = try await Subprocess.run(
                .path(FilePath(program)), arguments: Arguments(arguments),
                environment: .inherit.updating(Dictionary(uniqueKeysWithValues: additions)), input: .none,
                output: .string(limit: Self.outputBytes), error: .string(limit: Self.outputBytes))
            output = result.standardOutput
            errors = result.standardError
            switch result.terminationStatus {
            case .exited(let code): status = ExitStatus(rawValue: Int32(code))
            case .signaled: status = .failure
            }
        } catch let error as SubprocessError {
            throw Failure(.system, "cannot run \(program): \(error)")
        }
    }
}
