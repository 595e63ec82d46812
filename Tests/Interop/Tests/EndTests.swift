import HypiTestSupport
import NIOCore
import NIOEmbedded
import Testing

@Suite("ends of connections between both stacks") struct EndTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates.shared.get()
    }

    @Test("a close takes along what was flushed, is an end for both and an error for neither", arguments: Pairing.all)
    func close(_ pairing: Pairing) throws {
        for versions in pairing.versions {
            for clientCloses in [true, false] {
                let link = try pairing.link(certificates, versions)
                defer { link.finish() }
                try link.carry()
                let (from, to) = clientCloses ? (link.client, link.server) : (link.server, link.client)
                let closed = Outcome(link.loop)
                from.channel.writeAndFlush(ByteBuffer(repeating: 1, count: 100_000), promise: nil)
                from.channel.close(promise: closed.promise)
                try link.carry()
                #expect(closed.isKept && to.reader.bytes.readableBytes == 100_000)
                #expect(Verdict(to.reader.errors) == .fine && Verdict(from.reader.errors) == .fine)
                #expect(!to.channel.isActive && !from.channel.isActive)
                #expect(to.reader.inactiveCount == 1 && from.reader.inactiveCount == 1)
            }
        }
    }

    @Test("half a close lets the other half go on", arguments: Pairing.all)
    func half(_ pairing: Pairing) throws {
        for versions in pairing.versions {
            let link = try pairing.link(certificates, versions, keepsHalf: true)
            defer { link.finish() }
            try link.carry()
            link.client.channel.writeAndFlush(ByteBuffer(string: "question"), promise: nil)
            let half = Outcome(link.loop)
            link.client.channel.close(mode: .output, promise: half.promise)
            try link.carry()
            #expect(half.isKept && link.server.reader.text == "question" && link.server.reader.sawInputClosed)
            let late = Outcome(link.loop)
            link.client.channel.writeAndFlush(ByteBuffer(string: "late"), promise: late.promise)
            #expect(late.error != nil)
            link.server.channel.writeAndFlush(ByteBuffer(repeating: 7, count: 300_000), promise: nil)
            try link.carry()
            #expect(link.client.reader.bytes == ByteBuffer(repeating: 7, count: 300_000))
            link.server.channel.close(promise: nil)
            try link.carry()
            #expect(Verdict(link.server.reader.errors) == .fine && Verdict(link.client.reader.errors) == .fine)
            #expect(link.client.reader.sawInputClosed || !link.client.channel.isActive)
        }
    }

    @Test("half a close during the handshake takes along what was written before", arguments: Pairing.all)
    func halfEarly(_ pairing: Pairing) throws {
        let link = try pairing.link(certificates, keepsHalf: true)
        defer { link.finish() }
        let (written, half) = (Outcome(link.loop), Outcome(link.loop))
        link.client.channel.writeAndFlush(ByteBuffer(string: "question"), promise: written.promise)
        link.client.channel.close(mode: .output, promise: half.promise)
        try link.carry()
        #expect(written.isKept && half.isKept)
        #expect(link.server.reader.text == "question" && link.server.reader.sawInputClosed)
        link.server.channel.writeAndFlush(ByteBuffer(string: "answer"), promise: nil)
        try link.carry()
        #expect(link.client.reader.text == "answer" && Verdict(link.client.reader.errors) == .fine)
    }

    @Test("an end without a goodbye is an error, wherever a record was cut", arguments: Pairing.all)
    func truncation(_ pairing: Pairing) throws {
        for keepsHalf in [true, false] {
            for cut in [0, 1, 5, 20, 49] {
                let link = try pairing.link(certificates, keepsHalf: keepsHalf)
                defer { link.finish() }
                link.client.channel.writeAndFlush(ByteBuffer(string: "whole"), promise: nil)
                try link.carry()
                link.client.channel.writeAndFlush(ByteBuffer(repeating: 7, count: 50), promise: nil)
                if let bytes = link.client.socket.takeSent().first?.getSlice(at: 0, length: cut), cut > 0 {
                    try link.server.channel.writeInbound(bytes)
                }
                link.server.socket.receiveEnd(keepsHalf: keepsHalf)
                link.loop.run()
                #expect(link.server.reader.text == "whole", "\(cut)")
                #expect(Verdict(link.server.reader.errors) == .truncated, "\(cut)")
                link.loop.advanceTime(by: .seconds(10))
                #expect(!link.server.channel.isActive && link.server.reader.inactiveCount == 1)
            }
        }
    }

    @Test("an end in mid-handshake keeps no promise waiting", arguments: Pairing.all)
    func endInHandshake(_ pairing: Pairing) throws {
        let link = try pairing.link(certificates)
        defer { link.finish() }
        let secret = Outcome(link.loop)
        link.client.channel.writeAndFlush(ByteBuffer(string: "secret"), promise: secret.promise)
        link.client.socket.receiveEnd(keepsHalf: false)
        link.loop.run()
        #expect(secret.error != nil)
        #expect(!link.client.channel.isActive && link.client.reader.inactiveCount == 1)
    }

    @Test("every write and close is answered once, in every order of close, goodbye and end", arguments: Pairing.all)
    func orders(_ pairing: Pairing) throws {
        for order in Step.orders {
            let link = try pairing.link(certificates)
            defer { link.finish() }
            try link.carry()
            var outcomes: [Outcome] = []
            for step in order { try step.take(link, &outcomes) }
            try link.carry()
            if link.client.socket.isHeld { link.client.socket.letGo() }
            try link.carry()
            link.loop.advanceTime(by: .seconds(10))
            link.loop.run()
            #expect(outcomes.allSatisfy { $0.result != nil }, "\(order)")
            #expect(!link.client.channel.isActive && link.client.reader.inactiveCount == 1, "\(order)")
        }
    }

    private enum Step: CaseIterable {
        case close
        case goodbye
        case end
        case full

        /// All four in every order.
        static var orders: [[Step]] {
            allCases.reduce(into: [[]]) { orders, step in
                orders = orders.flatMap { order in
                    (0...order.count).map { order[..<$0] + [step] + order[$0...] }
                }
            }
        }

        func take(_ link: MemoryLink, _ outcomes: inout [Outcome]) throws {
            let client = link.client
            switch self {
            case .close:
                outcomes.append(Outcome(link.loop))
                client.channel.close(promise: outcomes.last?.promise)
            case .goodbye:
                link.server.channel.close(promise: nil)
                try link.carry(link.server, to: client)
            case .end: client.socket.receiveEnd(keepsHalf: false)
            case .full: client.socket.hold()
            }
            link.loop.run()
            outcomes.append(Outcome(link.loop))
            client.channel.writeAndFlush(ByteBuffer(string: "x"), promise: outcomes.last?.promise)
        }
    }
}
