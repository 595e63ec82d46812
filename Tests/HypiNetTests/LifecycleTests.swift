import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("A WebSocket under load and in silence, over sockets")
struct LifecycleTests {
    @Test("a flood of pings is answered in order", arguments: Bench.roles)
    func pingFlood(role: Role) async throws {
        let bench = try await Bench.open(role)
        let count = 5000
        await bench.peer.connection.send((0..<count).flatMap { bench.peer.frame(0x89, Array("\($0)".utf8)) })
        await bench.peer.send(0x81, text: "end")
        try await bench.peer.connection.received.wait("the end") { bytes, _ in bytes.count > count * 3 }
        let frames = try await bench.peer.frames(count + 1)
        #expect(frames.dropLast().map(\.text) == (0..<count).map { "\($0)" })
        #expect(frames.dropLast().allSatisfy { $0.first == 0x8A } && frames.last?.text == "end")
        await bench.end()
    }

    @Test("pings of a peer that does not read do not pile up: the newest is answered when it reads again")
    func pingsUnread() async throws {
        let bench = try await Bench.open(.server, options: .init(outboxLimit: nil, heartbeat: nil))
        try await bench.peer.connection.setReading(false)
        let payload = [UInt8](repeating: 65, count: 120)
        let batch = (0..<1000).flatMap { _ in bench.peer.frame(0x89, payload) }
        // Far more than the kernel holds for both sides together.
        let batches = 150
        for _ in 0..<batches { await bench.peer.connection.send(batch) }
        await bench.peer.send(0x89, text: "newest")
        await bench.peer.send(0x88, [3, 232])
        try await bench.peer.connection.setReading(true)
        let frames = try await bench.peer.framesUntilEnd()
        #expect(frames.count < batches * 1000)
        #expect(frames.suffix(2).map(\.opcode) == [10, 8] || frames.last?.opcode == 8)
        #expect(try await bench.log.closure().code == .normal)
    }

    @Test("a peer that reads too slowly is closed with 1013, and may still read why", arguments: Bench.roles)
    func slowReader(role: Role) async throws {
        let bench = try await Bench.open(role, options: .init(outboxLimit: 1 << 20, heartbeat: nil))
        try await bench.peer.connection.setReading(false)
        try await bench.handle.run { socket in
            for _ in 0..<1000 where socket.isOpen { socket.send(text: ByteBuffer(repeating: 65, count: 100_000)) }
            #expect(!socket.isOpen)
        }
        try await bench.peer.connection.setReading(true)
        try await bench.peer.connection.received.wait("the close frame", timeout: .seconds(60)) { bytes, _ in
            bytes.suffix(24).contains(0x88)
        }
        await bench.end()
        _ = try await bench.log.closure()
    }

    @Test("what was sent before a connection is dropped arrives, though one read brought both about")
    func sentBeforeDrop() async throws {
        let bench = try await Bench.open(.server)
        let texts = (0..<50).map { "\($0)" } + ["drop"]
        await bench.peer.connection.send(texts.flatMap { bench.peer.frame(0x81, Array($0.utf8)) })
        #expect(try await bench.peer.framesUntilEnd().map(\.text) == texts)
        #expect(try await bench.log.closure().code == .abnormal)
    }

    @Test("a message longer than the outbox is sent whole when nothing else waits")
    func longWrite() async throws {
        let bench = try await Bench.open(.server, options: .init(outboxLimit: 1000, heartbeat: nil))
        try await bench.handle.run { $0.send(text: ByteBuffer(repeating: 65, count: 1 << 20)) }
        #expect(try await bench.peer.frames(1).map(\.payload.count) == [1 << 20])
        await bench.end()
    }

    @Test("finished frames go out as they are from a server, masked from a client", arguments: Bench.roles)
    func finishedFrames(role: Role) async throws {
        let bench = try await Bench.open(role)
        try await bench.handle.run { socket in
            var bytes = ByteBuffer()
            FrameEncoder.writeMessage(ByteBuffer(string: "one"), opcode: .text, to: &bytes)
            FrameEncoder.writeMessage(ByteBuffer(), opcode: .binary, to: &bytes)
            socket.write(frames: bytes)
        }
        let isMasked = role == .client
        #expect(
            try await bench.peer.frames(2) == [
                .init(first: 0x81, isMasked: isMasked, payload: Array("one".utf8)),
                .init(first: 0x82, isMasked: isMasked, payload: []),
            ])
        await bench.end()
    }

    @Test("reading pauses, the peer feels it, and goes on without a loss", arguments: Bench.roles)
    func pause(role: Role) async throws {
        let bench = try await Bench.open(role)
        try await bench.handle.run { $0.pauseReading() }
        await bench.peer.send(0x81, text: "a")
        await bench.peer.send(0x81, text: "b")
        #expect(!bench.log.events.contains(.message("a")))
        try await bench.handle.run { $0.resumeReading() }
        #expect(try await bench.peer.frames(2).map(\.text) == ["a", "b"])
        await bench.end()
    }

    // MARK: Heartbeat

    /// Long enough for a machine that is busy with other things not to look like a silent peer.
    private static let patient = WebSocket.Options(heartbeat: .seconds(2))

    @Test("a silent peer is pinged twice and then given up", arguments: Bench.roles)
    func silentPeer(role: Role) async throws {
        let bench = try await Bench.open(role, options: .init(heartbeat: .milliseconds(60)))
        let frames = try await bench.peer.framesUntilEnd()
        #expect(frames.map(\.opcode) == [9, 9])
        #expect(try await bench.log.closure() == Closure(code: .abnormal, reason: "no sign of life"))
    }

    @Test("a peer that answers pings lives", arguments: Bench.roles)
    func livingPeer(role: Role) async throws {
        let bench = try await Bench.open(role, options: Self.patient)
        for count in 1...2 {
            let frames = try await bench.peer.frames(count)
            try #require(frames.count >= count)
            await bench.peer.send(0x8A, frames[count - 1].payload)
        }
        await bench.peer.send(0x81, text: "alive")
        #expect(try await bench.peer.frame { $0.text == "alive" } != nil)
        await bench.end()
    }

    @Test("silence while we do not read is not the peer's")
    func pausedHeartbeat() async throws {
        let bench = try await Bench.open(.server, options: Self.patient)
        try await bench.handle.run { $0.pauseReading() }
        let quiet = try await bench.handle.eventLoop().scheduleTask(in: .milliseconds(8200)) {}
        try await quiet.futureResult.get()
        #expect(bench.log.events == [.opened])
        try await bench.handle.run { $0.resumeReading() }
        await bench.peer.send(0x81, text: "alive")
        #expect(try await bench.peer.frame { $0.text == "alive" } != nil)
        await bench.end()
    }

    @Test("a slow peer that takes what waits for it is alive, though it says nothing")
    func slowButAlive() async throws {
        let bench = try await Bench.open(.server, options: .init(outboxLimit: nil, heartbeat: .seconds(2)))
        let connection = bench.peer.connection
        try await connection.setReading(false)
        let total = 64 << 20
        try await bench.handle.run { $0.send(message: ByteBuffer(repeating: 65, count: total), opcode: .binary) }
        let loop = try await bench.handle.eventLoop()
        // Half again as long as silence alone would be given, while the bytes trickle.
        let trickle = loop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(40)) { _ in
            connection.readOnce()
        }
        try await loop.scheduleTask(in: .milliseconds(9000)) {}.futureResult.get()
        trickle.cancel()
        #expect(bench.log.events == [.opened])
        await bench.end()
    }

    // MARK: Frames one by one

    @Test("an endpoint that takes frames gets them as they came, pings too, and nothing is answered for it")
    func frames() async throws {
        let bench = try await Bench.open(.server, receivesFrames: true)
        await bench.peer.send(0x01, text: "a")
        await bench.peer.send(0x89, text: "ping")
        await bench.peer.send(0x80, [0xFF])
        await bench.peer.send(0x8A, text: "pong")
        let frames = try await bench.peer.frames(4)
        #expect(frames.map(\.first) == [0x01, 0x89, 0x80, 0x8A])
        #expect(frames.map(\.payload) == [[97], Array("ping".utf8), [0xFF], Array("pong".utf8)])
        await bench.end()
    }

    @Test("the answer to our own ping is ours; the answer to a ping that was passed on is passed on")
    func relayedPongs() async throws {
        let bench = try await Bench.open(.server, options: Self.patient, receivesFrames: true)
        let ping = try await bench.peer.frames(1)[0]
        #expect(ping.opcode == 9)
        await bench.peer.send(0x8A, ping.payload)
        // What another one of our connections would ask through us.
        await bench.peer.send(0x8A, [1, 2, 3, 4, 5, 6, 7, 8])
        await bench.peer.send(0x88, [3, 232])
        _ = try await bench.log.closure()
        let passedOn = bench.log.events.compactMap { event -> [UInt8]? in
            if case .frame(let frame) = event { Array(buffer: frame.payload) } else { nil }
        }
        #expect(passedOn == [[1, 2, 3, 4, 5, 6, 7, 8]])
    }
}
