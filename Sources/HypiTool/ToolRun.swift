import ArgumentParser
public import HypiNet

/// Runs a program's body and turns what it throws into one line and an exit status.
public enum ToolRun {
    /// Runs `body`; every executable's `run()` is this call.
    ///
    /// - Parameters:
    ///   - tool: The program's name, for its error line.
    ///   - descriptors: How many it has to be able to open; without them the event loop or a timer would end the process.
    ///   - body: What it does; the status it returns is its exit status.
    /// - Throws: `ExitCode`, for the argument parser to end the process with.
    public static func run(
        _ tool: String, descriptors: Int = DescriptorRoom.forTool, _ body: () async throws -> ExitStatus
    ) async throws {
        StandardOutput.keepPlace()
        SignalExit.crashSilently()
        SignalExit.ignoreBrokenPipes()
        let status: ExitStatus
        do {
            try Failure.unlessRoom(for: descriptors)
            status = try await body()
        } catch let error as ExitCode {
            throw error
        } catch let error as ValidationError {
            throw error
        } catch {
            let failure = Failure(error)
            Diagnostic.print(tool, failure.line)
            throw ExitCode(failure.status.rawValue)
        }
        if status != .success { throw ExitCode(status.rawValue) }
    }
}
