import HypiWire
import NIOCore
import NIOEmbedded
import Testing

@testable import PiSocketCore

@Suite("--max-turn and --idle-exit") struct ActivityTimersTests {
    private let loop = EmbeddedEventLoop()

    @Test("a run is too long whatever happens in its middle, and a new one has its time anew") func turn() {
        let timers = ActivityTimers(maxTurn: .seconds(10), idleExit: nil, on: loop)
        var trips = 0
        timers.turnIsTooLong = { limit in
            #expect(limit == .seconds(10))
            trips += 1
        }
        timers.update(.working, viewerCount: 1)
        loop.advanceTime(by: .seconds(4))
        timers.update(.retrying, viewerCount: 0)
        loop.advanceTime(by: .seconds(4))
        timers.update(.inputRequired, viewerCount: 0)
        loop.advanceTime(by: .seconds(1))
        #expect(trips == 0)
        loop.advanceTime(by: .seconds(1))
        #expect(trips == 1)
        timers.update(.idle, viewerCount: 0)
        timers.update(.working, viewerCount: 0)
        loop.advanceTime(by: .seconds(9))
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .seconds(60))
        #expect(trips == 1)
    }

    @Test("an agent is idle for long only while nobody watches and nothing runs") func idle() {
        let timers = ActivityTimers(maxTurn: nil, idleExit: .seconds(10), on: loop)
        var ends = 0
        timers.isIdleForLong = { ends += 1 }
        timers.update(.idle, viewerCount: 1)
        loop.advanceTime(by: .seconds(60))
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .seconds(9))
        timers.update(.working, viewerCount: 0)
        loop.advanceTime(by: .seconds(60))
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .seconds(9))
        timers.update(.idle, viewerCount: 1)
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .seconds(9))
        #expect(ends == 0)
        // Something else about it was said: the time goes on.
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .seconds(1))
        #expect(ends == 1)
    }

    @Test("without a limit nothing is ever too long") func unlimited() {
        let timers = ActivityTimers(maxTurn: nil, idleExit: nil, on: loop)
        timers.turnIsTooLong = { _ in Issue.record("a limit that nobody asked for") }
        timers.isIdleForLong = { Issue.record("a limit that nobody asked for") }
        timers.update(.working, viewerCount: 0)
        loop.advanceTime(by: .hours(1000))
        timers.update(.idle, viewerCount: 0)
        loop.advanceTime(by: .hours(1000))
    }
}
