import HypiWire
import NIOCore

/// Who waits for the registration of an agent that was just started.
///
/// It belongs to the roster. At most one waits for a spawn id, so spawns bound it.
struct Arrivals {
    private var waiting: [String: EventLoopPromise<Bool>] = [:]

    /// Waits for the agent of a spawn request.
    ///
    /// - Returns: True once it has registered, false if it was given up.
    mutating func wait(for spawnID: String, on eventLoop: any EventLoop) -> EventLoopFuture<Bool> {
        let promise = eventLoop.makePromise(of: Bool.self)
        waiting[spawnID] = promise
        return promise.futureResult
    }

    /// A node has registered.
    mutating func arrived(_ node: Node) {
        guard let spawnID = node.spawnID else { return }
        waiting.removeValue(forKey: spawnID)?.succeed(true)
    }

    /// Nobody should wait any longer.
    mutating func giveUp(_ spawnID: String) {
        waiting.removeValue(forKey: spawnID)?.succeed(false)
    }

    /// The end.
    mutating func giveUpAll() {
        for spawnID in Array(waiting.keys) { giveUp(spawnID) }
    }
}
