import CTerminal
import NIOPosix

extension Fixture {
    /// Waits until none of these processes is left, whoever started them.
    public static func end(of pids: [Int32], within limit: Duration = .seconds(60)) async throws {
        let milliseconds = Int32(limit * Effort.patience / .milliseconds(1))
        for pid in pids {
            // A thread of its own waits: the system's event is one that blocks.
            let result = try await NIOThreadPool.singleton.runIfActive { hypi_wait_for_end(pid, milliseconds) }
            guard result == 0 else { throw DeadlinePassed("the end of process \(pid) (\(result))") }
        }
    }
}
