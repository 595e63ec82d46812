@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOEmbedded
import Testing

@Suite("orders in which a TLS connection ends")
struct TLSOrderTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    /// What may happen to the client's end.
    private enum Step: CaseIterable {
        case write
        case closeOutput
        case close
        /// The peer's goodbye arrives.
        case goodbye
        /// The peer's half ends.
        case end
        /// The socket takes nothing more.
        case full

        static func orders(of steps: [Step]) -> [[Step]] {
            steps.reduce(into: [[]]) { orders, step in
                orders = orders.flatMap { order in
                    (0...order.count).map { Array(order[..<$0]) + [step] + Array(order[$0...]) }
                }
            }
        }
    }

    /// One end, and what became of each promise that it was given.
    private struct Course {
        let link: MemoryLink
        var outcomes: [Outcome] = []

        mutating func take(_ step: Step) throws {
            let client = link.client
            switch step {
            case .write: client.channel.writeAndFlush(ByteBuffer(string: "x"), promise: outcome())
            case .closeOutput: client.channel.close(mode: .output, promise: outcome())
            case .close: client.channel.close(promise: outcome())
            case .goodbye:
                link.server.channel.close(promise: nil)
                try link.carry(link.server, to: client)
            case .end: client.socket.receiveEnd(keepsHalf: link.keepsHalf)
            case .full: client.socket.hold()
            }
            link.loop.run()
        }

        private mutating func outcome() -> EventLoopPromise<Void> {
            let outcome = Outcome(link.loop)
            outcomes.append(outcome)
            return outcome.promise
        }
    }

    @Test(
        "in every order of write, closes, goodbye, end and full socket each promise is answered",
        arguments: [true, false])
    func orders(keepsHalf: Bool) throws {
        for order in Step.orders(of: Step.allCases) {
            let link = try MemoryLink(rules, keepsHalf: keepsHalf)
            defer { link.finish() }
            try link.carry()
            var course = Course(link: link)
            for step in order { try course.take(step) }
            // The peer does not read for as long as it is waited for.
            link.loop.advanceTime(by: .seconds(Limits.closeSeconds))
            #expect(course.outcomes.allSatisfy { $0.result != nil }, "\(order)")
            #expect(!link.client.channel.isActive && link.client.reader.inactiveCount == 1, "\(order)")
            let cut = order.firstIndex(of: .end) ?? 0
            let first = [Step.goodbye, .close].compactMap { order.firstIndex(of: $0) }.min() ?? 0
            let expected: [TLSError] = cut < first ? [.truncated] : []
            #expect(link.client.reader.errors.map { $0 as? TLSError } == expected, "\(order)")
        }
    }

    @Test("in every order of writes and closes what was written before comes before the goodbye, once the peer reads")
    func tail() throws {
        for order in Step.orders(of: [.write, .full, .closeOutput, .close, .write]) {
            let link = try MemoryLink(rules, keepsHalf: true)
            defer { link.finish() }
            try link.carry()
            var course = Course(link: link)
            for step in order { try course.take(step) }
            link.client.socket.letGo()
            try link.carry()
            let end = order.firstIndex { $0 == .close || $0 == .closeOutput } ?? 0
            let written = order[..<end].count { $0 == .write }
            #expect(link.server.reader.text == String(repeating: "x", count: written), "\(order)")
            #expect(link.server.reader.errors.isEmpty && link.client.reader.errors.isEmpty, "\(order)")
            #expect(course.outcomes.allSatisfy { $0.result != nil }, "\(order)")
            #expect(course.outcomes[..<written].allSatisfy { $0.isKept }, "\(order)")
        }
    }

    @Test("a goodbye of the peer lets go out what was encrypted before it")
    func goodbyeWhileFull() throws {
        for closesHalf in [true, false] {
            let link = try MemoryLink(rules)
            defer { link.finish() }
            try link.carry()
            link.client.socket.hold()
            link.client.channel.writeAndFlush(ByteBuffer(repeating: 7, count: 100_000), promise: nil)
            if closesHalf { link.client.channel.close(mode: .output, promise: nil) }
            link.server.channel.close(mode: .output, promise: nil)
            try link.carry(link.server, to: link.client)
            #expect(link.client.channel.isActive, "it is not closed over what waits")
            link.client.socket.letGo()
            try link.carry()
            #expect(link.server.reader.bytes.readableBytes == 100_000 && link.server.reader.errors.isEmpty)
        }
    }

    @Test("a close of half during the handshake waits for it, and takes along what was written; one of all does not")
    func handshaking() throws {
        for mode in [CloseMode.output, .all] {
            let link = try MemoryLink(rules, keepsHalf: true)
            defer { link.finish() }
            let (written, closed, again) = (Outcome(link.loop), Outcome(link.loop), Outcome(link.loop))
            link.client.channel.write(ByteBuffer(string: "question"), promise: written.promise)
            link.client.channel.close(mode: mode, promise: closed.promise)
            link.client.channel.writeAndFlush(ByteBuffer(string: "late"), promise: again.promise)
            try link.carry()
            #expect(closed.isKept && again.error is ChannelError && written.isKept == (mode == .output))
            #expect(written.result != nil && link.server.reader.text == (mode == .output ? "question" : ""))
            #expect(link.client.channel.isActive == (mode == .output))
        }
    }

    @Test("a half that was to be closed after the handshake, and an end that comes before, leave nobody waiting")
    func handshakeLost() throws {
        for step in [Step.close, .end] {
            let link = try MemoryLink(rules)
            defer { link.finish() }
            var course = Course(link: link)
            try course.take(.closeOutput)
            try course.take(.closeOutput)
            try course.take(step)
            link.loop.advanceTime(by: .seconds(Limits.closeSeconds))
            #expect(course.outcomes.allSatisfy { $0.result != nil })
            #expect(!link.client.channel.isActive && link.client.reader.inactiveCount == 1)
        }
    }
}
