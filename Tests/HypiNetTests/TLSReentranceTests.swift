@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOEmbedded
import Testing

@Suite("whoever TLS calls may call it back")
struct TLSReentranceTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    /// What somebody does who has just been called.
    private enum Call: CaseIterable {
        case write
        case close
        case closeOutput
        /// The handler that was called leaves the pipeline.
        case leave
        /// The handler of TLS itself is to leave it, which is refused: nothing would encrypt any more.
        case removeTLS
        case writeAndClose
        case closeAndWrite
        case flush
        case read

        func make(_ channel: any Channel, _ reader: MemoryReader, _ outcomes: Outcomes) throws {
            switch self {
            case .write: channel.writeAndFlush(ByteBuffer(string: "pong"), promise: outcomes.next())
            case .close: channel.close(promise: outcomes.next())
            case .closeOutput: channel.close(mode: .output, promise: outcomes.next())
            case .leave:
                channel.pipeline.syncOperations.removeHandler(reader, promise: outcomes.next())
            case .removeTLS:
                let tls = try channel.pipeline.syncOperations.context(handlerType: TLSHandler.self)
                channel.pipeline.syncOperations.removeHandler(context: tls, promise: outcomes.next())
            case .writeAndClose:
                try Call.write.make(channel, reader, outcomes)
                try Call.close.make(channel, reader, outcomes)
            case .closeAndWrite:
                try Call.close.make(channel, reader, outcomes)
                try Call.write.make(channel, reader, outcomes)
            case .flush: channel.flush()
            case .read: channel.read()
            }
        }

        var ends: Bool { [.close, .writeAndClose, .closeAndWrite].contains(self) }
    }

    private final class Outcomes {
        private let link: MemoryLink
        private(set) var all: [Outcome] = []
        init(_ link: MemoryLink) { self.link = link }

        func next() -> EventLoopPromise<Void> {
            let outcome = Outcome(link.loop)
            all.append(outcome)
            return outcome.promise
        }
    }

    /// Lets `body` have a link, and looks afterwards whether all that it was promised was answered.
    private func check(_ call: Call, keepsHalf: Bool = false, _ body: (MemoryLink, @escaping () -> Void) throws -> Void)
        throws
    {
        let link = try MemoryLink(rules, keepsHalf: keepsHalf)
        defer { link.finish() }
        let outcomes = Outcomes(link)
        var isDone = false
        try body(link) {
            guard !isDone else { return }
            isDone = true
            do {
                try call.make(link.server.channel, link.server.reader, outcomes)
            } catch {
                Issue.record(error)
            }
        }
        try link.carry()
        #expect(isDone, "\(call): nobody was called")
        link.loop.advanceTime(by: .seconds(Limits.closeSeconds))
        #expect(outcomes.all.allSatisfy { $0.result != nil }, "\(call)")
        if call == .removeTLS { #expect(outcomes.all.first?.error is ChannelError, "it stays") }
        // A peer that keeps its half when ours ends keeps its channel, too.
        if call.ends { #expect(!link.server.channel.isActive && link.client.channel.isActive == keepsHalf, "\(call)") }
    }

    @Test("from a read, in the midst of many records", arguments: [true, false])
    func read(keepsHalf: Bool) throws {
        for call in Call.allCases {
            try check(call, keepsHalf: keepsHalf) { link, act in
                link.server.reader.onRead = { _ in act() }
                try link.carry()
                // All in one read of the socket.
                for _ in 0..<5 { link.client.channel.write(ByteBuffer(string: "ping"), promise: nil) }
                link.client.channel.flush()
                var all = ByteBuffer()
                for part in link.client.socket.takeSent() { all.writeImmutableBuffer(part) }
                try link.server.channel.writeInbound(all)
                try link.carry()
                let rest = call.ends || call == .leave ? "ping" : String(repeating: "ping", count: 5)
                #expect(link.server.reader.text == rest, "\(call): \(link.server.reader.text)")
                let hears = [.write, .writeAndClose].contains(call) ? "pong" : ""
                #expect(link.client.reader.text == hears && link.client.reader.errors.isEmpty, "\(call)")
            }
        }
    }

    @Test("from the handshake, whose end is the promise of a write that waited for it")
    func handshake() throws {
        for call in Call.allCases {
            try check(call) { link, act in
                let first = link.loop.makePromise(of: Void.self)
                first.futureResult.assumeIsolated().whenSuccess { act() }
                link.server.channel.writeAndFlush(ByteBuffer(string: "first "), promise: first)
                link.server.channel.writeAndFlush(ByteBuffer(string: "second "), promise: nil)
                try link.carry()
                let text = link.client.reader.text
                #expect(text.hasPrefix("first second "), "\(call): \(text)")
                #expect(text.hasSuffix("pong") == [.write, .writeAndClose].contains(call), "\(call): \(text)")
                #expect(link.client.reader.errors.isEmpty, "\(call)")
            }
        }
    }

    @Test("from the event that the peer's half is over")
    func half() throws {
        for call in Call.allCases {
            try check(call, keepsHalf: true) { link, act in
                link.server.reader.onEvent = { _, _ in act() }
                try link.carry()
                link.client.channel.close(mode: .output, promise: nil)
                try link.carry()
                let hears = [.write, .writeAndClose].contains(call) ? "pong" : ""
                #expect(link.client.reader.text == hears && link.client.reader.errors.isEmpty, "\(call)")
            }
        }
    }

    @Test("from an error: of the handshake, of a record and of an end without goodbye")
    func error() throws {
        enum Fault: CaseIterable { case handshake, record, end }
        for fault in Fault.allCases {
            for call in Call.allCases {
                try check(call) { link, act in
                    link.server.reader.closesOnError = false
                    link.server.reader.onError = { _, _ in act() }
                    if fault != .handshake { try link.carry() }
                    switch fault {
                    case .handshake, .record:
                        try link.server.channel.writeInbound(ByteBuffer(string: "\u{17}\u{3}\u{3}\u{0}\u{5}noise"))
                    case .end: link.server.socket.receiveEnd(keepsHalf: false)
                    }
                    try link.carry()
                    #expect(link.server.reader.errors.count == 1 && link.client.reader.text.isEmpty, "\(fault) \(call)")
                    link.loop.advanceTime(by: .seconds(Limits.closeSeconds))
                    #expect(!link.server.channel.isActive, "\(fault) \(call)")
                }
            }
        }
    }
}
