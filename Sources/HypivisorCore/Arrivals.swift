import HypiWire
import NIOCore

/// Who waits for the registration of an agent that is about to come.
///
/// It belongs to the roster. Spawn requests and relays wait here, so what bounds those bounds it.
struct Arrivals {
    /// Whom somebody waits for.
    enum Expected: Hashable, Sendable {
        /// The agent of a spawn request.
        case spawn(String)
        /// The agent with this id.
        case agent(String)
    }

    private var waiting: [Expected: [EventLoopPromise<Bool>]] = [:]

    /// Waits for an agent.
    ///
    /// - Returns: True once it has registered, false if it was given up.
    mutating func wait(for expected: Expected, on eventLoop: any EventLoop) -> EventLoopFuture<Bool> {
        let promise = eventLoop.makePromise(of: Bool.self)
        waiting[expected, default: []].append(promise)
        return promise.futureResult
    }

    /// A node has registered.
    mutating func arrived(_ id: String, spawnID: String?) {
        guard !waiting.isEmpty else { return }
        end(.agent(id), true)
        if let spawnID { end(.spawn(spawnID), true) }
    }

    /// Nobody should wait any longer.
    mutating func giveUp(_ expected: Expected) {
        end(expected, false)
    }

    /// The end.
    mutating func giveUpAll() {
        for expected in Array(waiting.keys) { giveUp(expected) }
    }

    private mutating func end(_ expected: Expected, _ hasArrived: Bool) {
        for promise in waiting.removeValue(forKey: expected) ?? [] { promise.succeed(hasArrived) }
    }
}
