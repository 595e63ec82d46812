@testable import HypiNet
import HypiWire
import NIOCore
import NIOEmbedded
import Testing

@Suite("TLS on a channel")
struct TLSHandlerTests {
    private let rules: TLSRules

    init() throws {
        rules = try TLSRules.shared.get()
    }

    /// Writes down what comes out of the handler.
    private final class Watcher: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var text = ""
        var errors: [TLSError] = []
        var events: [String] = []
        var onRead: ((ChannelHandlerContext) -> Void)?

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            onRead?(context)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            if let error = error as? TLSError { errors.append(error) }
            context.close(promise: nil)
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            events.append("\(event)")
        }
    }

    private func pair() throws -> (ChannelPair, server: Watcher, client: Watcher) {
        let pair = try ChannelPair(rules)
        let (server, client) = (Watcher(), Watcher())
        try pair.server.pipeline.syncOperations.addHandler(server)
        try pair.client.pipeline.syncOperations.addHandler(client)
        return (pair, server, client)
    }

    @Test("nothing leaves before the handshake; then all of it, in order, a byte at a time or not")
    func order() throws {
        for piece in [1, 7, .max] {
            let (pair, server, _) = try pair()
            defer { pair.finish() }
            pair.client.writeAndFlush(ByteBuffer(string: "first "), promise: nil)
            pair.client.write(ByteBuffer(string: "second "), promise: nil)
            let hello = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
            #expect(!String(buffer: hello).contains("first"))
            #expect(try pair.client.readOutbound(as: ByteBuffer.self) == nil)
            try pair.server.writeInbound(hello)
            try pair.carry(piece: piece)
            #expect(server.text == "first ")
            pair.client.flush()
            try pair.carry(piece: piece)
            #expect(server.text == "first second ")
        }
    }

    @Test("a megabyte each way is the same megabyte")
    func bulk() throws {
        let (pair, server, client) = try pair()
        defer { pair.finish() }
        let text = String(repeating: "0123456789abcdef", count: 1 << 16)
        try pair.carry()
        pair.client.writeAndFlush(ByteBuffer(string: text), promise: nil)
        pair.server.writeAndFlush(ByteBuffer(string: text), promise: nil)
        try pair.carry(piece: 1000)
        #expect(server.text == text && client.text == text)
    }

    @Test("plaintext that waits for the handshake is bounded")
    func queueLimit() throws {
        let (pair, _, client) = try pair()
        defer { pair.finish() }
        let promise = pair.client.eventLoop.makePromise(of: Void.self)
        pair.client.write(ByteBuffer(repeating: 0, count: Limits.tlsQueueBytes + 1), promise: promise)
        #expect(throws: TLSError.queueFull) { try promise.futureResult.wait() }
        #expect(client.errors == [.queueFull])
    }

    @Test("an end without a goodbye is an error, and one with it is none")
    func truncation() throws {
        for saysGoodbye in [true, false] {
            let (pair, server, _) = try pair()
            defer { pair.finish() }
            try pair.carry()
            pair.client.writeAndFlush(ByteBuffer(string: "half a mess"), promise: nil)
            if saysGoodbye { pair.client.close(promise: nil) }
            try pair.carry()
            if !saysGoodbye { pair.server.close(mode: .all, promise: nil) }
            #expect(server.text == "half a mess")
            if !saysGoodbye {
                let (other, cut, _) = try self.pair()
                try other.carry()
                other.server.pipeline.fireChannelInactive()
                #expect(cut.errors == [.truncated])
                other.finish()
            } else {
                #expect(server.errors == [] && !pair.server.isActive)
            }
        }
    }

    @Test("what was written but not flushed goes out before the goodbye, and each promise is kept once")
    func closeOrder() throws {
        let (pair, server, client) = try pair()
        defer { pair.finish() }
        try pair.carry()
        let (written, closed, again) = (
            pair.client.eventLoop.makePromise(of: Void.self),
            pair.client.eventLoop.makePromise(of: Void.self), pair.client.eventLoop.makePromise(of: Void.self)
        )
        pair.client.write(ByteBuffer(string: "tail"), promise: written)
        pair.client.close(promise: closed)
        pair.client.close(promise: again)
        try pair.carry()
        try written.futureResult.wait()
        try closed.futureResult.wait()
        // The second close may find the channel closed already; it is told so, and not left waiting.
        _ = Result { try again.futureResult.wait() }
        #expect(server.text == "tail" && server.errors == [] && client.errors == [])
        let late = pair.client.eventLoop.makePromise(of: Void.self)
        pair.client.writeAndFlush(ByteBuffer(string: "late"), promise: late)
        #expect(throws: ChannelError.ioOnClosedChannel) { try late.futureResult.wait() }
    }

    @Test("half a connection can be closed: the other half goes on")
    func halfClose() throws {
        let (pair, server, _) = try pair()
        defer { pair.finish() }
        pair.server.allowRemoteHalfClosure = true
        try pair.carry()
        pair.client.writeAndFlush(ByteBuffer(string: "question"), promise: nil)
        pair.client.close(mode: .output, promise: nil)
        try pair.carry()
        #expect(server.text == "question" && server.events == ["inputClosed"])
        // A channel in memory has no halves: the client's ends whole, so that only the server's side is looked at.
        #expect(server.errors == [])
        let answer = pair.server.eventLoop.makePromise(of: Void.self)
        pair.server.writeAndFlush(ByteBuffer(string: "answer"), promise: answer)
        try answer.futureResult.wait()
    }

    @Test("whoever is called may write, close or do both")
    func reentrance() throws {
        for closes in [false, true] {
            let (pair, server, client) = try pair()
            defer { pair.finish() }
            server.onRead = { context in
                context.writeAndFlush(NIOAny(ByteBuffer(string: "pong")), promise: nil)
                if closes { context.close(promise: nil) }
            }
            try pair.carry()
            for _ in 0..<3 {
                pair.client.writeAndFlush(ByteBuffer(string: "ping"), promise: nil)
                try pair.carry()
            }
            #expect(client.text == (closes ? "pong" : "pongpongpong") && client.errors == [] && server.errors == [])
            #expect(pair.server.isActive == !closes)
        }
    }

    @Test("with reading off the handshake goes on, and one read brings one piece of plaintext")
    func readingOff() throws {
        let pair = try ChannelPair(rules)
        defer { pair.finish() }
        final class Reads: ChannelOutboundHandler {
            typealias OutboundIn = Never
            var count = 0
            func read(context: ChannelHandlerContext) {
                count += 1
                context.read()
            }
        }
        let reads = Reads()
        try pair.server.pipeline.syncOperations.addHandler(reads, position: .first)
        try pair.server.syncOptions?.setOption(.autoRead, value: false)
        let hello = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        let before = reads.count
        try pair.server.writeInbound(hello.getSlice(at: 0, length: 10))
        #expect(reads.count == before + 1, "half a hello: more is asked for")
        try pair.server.writeInbound(hello.getSlice(at: 10, length: hello.readableBytes - 10))
        try pair.carry()
        let open = reads.count
        pair.server.read()
        #expect(reads.count == open + 1)
        pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
        var record = try #require(try pair.client.readOutbound(as: ByteBuffer.self))
        try pair.server.writeInbound(record.readSlice(length: 5))
        #expect(reads.count == open + 2, "half a record")
        try pair.server.writeInbound(record)
        let text = try ChannelPair.text(pair.server)
        #expect(reads.count == open + 2 && text == "x")
    }

    @Test("plain HTTP gets an answer in plain HTTP")
    func plainHTTP() throws {
        let (pair, server, _) = try pair()
        defer { pair.finish() }
        try pair.server.writeInbound(ByteBuffer(string: "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"))
        var answer = ""
        while let bytes = try pair.server.readOutbound(as: ByteBuffer.self) { answer += String(buffer: bytes) }
        let end = try #require(answer.firstRange(of: "HTTP/1.1 400 Bad Request\r\n"))
        let body = try #require(answer.firstRange(of: "\r\n\r\n"))
        #expect(answer[body.upperBound...].contains("wss://") && server.errors == [.plainHTTP])
        #expect(answer.contains("Content-Length: \(answer[body.upperBound...].utf8.count)\r\n"))
        #expect(end.lowerBound == answer.startIndex, "no alert before it")
    }
}
