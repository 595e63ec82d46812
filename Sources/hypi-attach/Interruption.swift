import ChatCore
import HypiTool
import HypiWire
import NIOCore

/// Ctrl-C while an answer streams: it ends this program, and the agent continues.
///
/// The first says so and leaves time for a second, which aborts the turn.
struct Interruption: Sendable {
    private let agent: AgentEndpoint
    private let output: FilterOutput
    private let group: any EventLoopGroup

    /// How long a second Ctrl-C may take.
    private static let window = Duration.seconds(2)
    /// How long aborting the turn may take.
    private static let patience = Duration.seconds(5)

    init(of agent: AgentEndpoint, output: FilterOutput, on group: any EventLoopGroup) {
        (self.agent, self.output, self.group) = (agent, output, group)
    }

    /// Runs `body`, and ends the process by SIGINT when a person interrupts it.
    func watch(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { tasks in
            tasks.addTask {
                try await body()
                return true
            }
            tasks.addTask {
                await SignalExit.onInterrupt(window: Self.window) {
                    output.note(
                        "the agent is still running: 'hypi-attach --abort \(agent.name)' aborts its turn, "
                            + "'--stop' ends it (Ctrl-C again: abort)")
                } second: {
                    await abort()
                }
                return false
            }
            defer { tasks.cancelAll() }
            while let isOver = try await tasks.next(), !isOver {}
        }
    }

    private func abort() async {
        do {
            try await Deadline.within(Self.patience) {
                _ = try await AgentQuestion.ask(["type": "abort"], of: agent, patience: .seconds(1), on: group)
            }
            output.note("the turn was aborted")
        } catch {
            output.note("the turn was not aborted: \(Failure(attaching: error).line)")
        }
    }
}
