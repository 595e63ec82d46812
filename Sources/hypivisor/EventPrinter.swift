import DequeModule
import HypiTool
import HypiWire
import Logging
import NIOConcurrencyHelpers
import NIOPosix

/// Prints roster events on standard output without ever holding up the registry.
///
/// A thread of its own writes; a lock hands over, because the registry's loop must not wait for a reader. At most
/// ``Limits/registryEvents`` wait; beyond it events are left out, which a reader sees in the cursors, and the log says.
/// When the reader has gone, printing ends and the registry goes on.
final class EventPrinter: Sendable {
    private struct State {
        var waiting: Deque<[UInt8]> = []
        var isWriting = false
        var isOver = false
        var droppedCount = 0
    }

    private let state = NIOLockedValueBox(State())
    private let thread = NIOThreadPool(numberOfThreads: 1)
    private let logger: Logger

    init(logger: Logger) {
        self.logger = logger
        thread.start()
    }

    /// Queues one event.
    @Sendable
    func print(_ event: [UInt8]) {
        let mustStart = state.withLockedValue { state -> Bool in
            guard !state.isOver else { return false }
            guard state.waiting.count < Limits.registryEvents else {
                state.droppedCount += 1
                return false
            }
            state.waiting.append(event + [UInt8(ascii: "\n")])
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { thread.submit { _ in self.drain() } }
    }

    private func drain() {
        while let (event, droppedCount) = next() {
            if droppedCount > 0 {
                logger.warning("events not printed: the reader is too slow", metadata: ["count": "\(droppedCount)"])
            }
            let code = StandardOutput.writeAll(StandardOutput.shown(records: event), to: 1)
            guard code != 0 else { continue }
            logger.warning("events are printed no more", metadata: ["errno": "\(code)"])
            state.withLockedValue { state in
                state.isOver = true
                state.waiting = []
            }
            return
        }
    }

    private func next() -> (event: [UInt8], droppedCount: Int)? {
        state.withLockedValue { state in
            guard let event = state.waiting.popFirst() else {
                state.isWriting = false
                return nil
            }
            defer { state.droppedCount = 0 }
            return (event, state.droppedCount)
        }
    }
}
