import HypiWire
import NIOPosix

/// News of agents that stay: each of them works and rests in turn.
struct Updates: Sendable {
    private let fleet: [LoadAgent]

    init(_ fleet: [LoadAgent]) {
        self.fleet = fleet
    }

    /// Waits for a line, or the end, of standard input: whoever measures says when.
    static func waitForWord() async throws {
        _ = try await NIOThreadPool.singleton.runIfActive { readLine() }
    }

    /// Sends so many updates, of all agents in turn, 64 at a time.
    func send(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for lane in 0..<64 {
                tasks.addTask {
                    for number in stride(from: lane, to: count, by: 64) {
                        let isWorking = number / fleet.count % 2 == 0
                        try await fleet[number % fleet.count].update(activity: isWorking ? .working : .idle)
                    }
                }
            }
            try await tasks.waitForAll()
        }
    }
}
