import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("WebSocket closing, RFC 6455 sections 5.5.1 and 7, over sockets")
struct CloseConformanceTests {
    private func payload(_ code: Int, _ reason: [UInt8] = []) -> [UInt8] {
        [UInt8(code >> 8), UInt8(code & 255)] + reason
    }

    @Test("a close with an allowed code is echoed, and the server ends the connection", arguments: Bench.roles)
    func allowedCodes(role: Role) async throws {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            let bench = try await Bench.open(role)
            await bench.peer.send(0x88, payload(code, Array("bye é".utf8)))
            let frames = try await bench.peer.frames(1)
            #expect(frames.map(\.closeCode) == [code])
            if role == .client { await bench.peer.connection.close() }
            _ = try await bench.peer.connection.untilEnd()
            #expect(try await bench.log.closure() == Closure(code: .init(rawValue: UInt16(code)), reason: "bye é"))
        }
    }

    @Test("a close without a code is echoed without one", arguments: Bench.roles)
    func noCode(role: Role) async throws {
        let bench = try await Bench.open(role)
        await bench.peer.send(0x88)
        #expect(try await bench.peer.frames(1).map(\.payload) == [[]])
        await bench.peer.connection.close()
        #expect(try await bench.log.closure() == Closure(code: .noStatus))
    }

    @Test(
        "a forbidden code or a payload of one byte is 1002, a reason that is not UTF-8 is 1007", arguments: Bench.roles)
    func forbiddenCodes(role: Role) async throws {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            let bench = try await Bench.open(role)
            await bench.peer.send(0x88, payload(code))
            #expect(try await bench.peer.framesUntilEnd().map(\.closeCode) == [1002], "\(code)")
            await bench.end()
        }
        for (bytes, code) in [([3], 1002), (payload(1000, [0xCE, 0xBA, 0xE1]), 1007)] as [([UInt8], Int)] {
            let bench = try await Bench.open(role)
            await bench.peer.send(0x88, bytes)
            #expect(try await bench.peer.framesUntilEnd().map(\.closeCode) == [code])
            await bench.end()
        }
    }

    @Test("what comes behind a close frame is not heard", arguments: Bench.roles)
    func silenceAfterClose(role: Role) async throws {
        let bench = try await Bench.open(role)
        let late = bench.peer.frame(0x88, payload(1000)) + bench.peer.frame(0x81, [65]) + bench.peer.frame(0x89)
        await bench.peer.connection.send(late)
        let frames = try await bench.peer.frames(1)
        #expect(frames.map(\.opcode) == [8])
        await bench.end()
        _ = try await bench.log.closure()
        #expect(bench.log.events == [.opened, .closed(Closure(code: .normal))])
    }

    @Test(
        "our close waits for the peer's, hears no message meanwhile, and ends with the peer's code",
        arguments: Bench.roles)
    func ownClose(role: Role) async throws {
        let bench = try await Bench.open(role)
        try await bench.handle.run { $0.close(.goingAway, reason: "stopping", deadline: .seconds(60)) }
        let frames = try await bench.peer.frames(1)
        #expect(frames.map(\.closeCode) == [1001] && frames[0].text.hasSuffix("stopping"))
        await bench.peer.send(0x81, text: "too late")
        await bench.peer.send(0x88, payload(1001))
        if role == .client { await bench.end() }
        _ = try await bench.peer.connection.untilEnd()
        #expect(try await bench.log.closure().code == .goingAway)
        #expect(bench.log.events.count == 2)
    }

    @Test("a peer that does not answer our close is dropped at the deadline", arguments: Bench.roles)
    func closeDeadline(role: Role) async throws {
        let bench = try await Bench.open(role)
        try await bench.handle.run { $0.close(.normal, deadline: .milliseconds(100)) }
        #expect(try await bench.peer.framesUntilEnd().map(\.closeCode) == [1000])
        #expect(try await bench.log.closure() == Closure(code: .abnormal))
    }

    @Test("a server that keeps the connection open behind the close handshake is left at the deadline")
    func clientLeaves() async throws {
        let bench = try await Bench.open(.client)
        await bench.peer.send(0x88, payload(1000))
        _ = try await bench.peer.framesUntilEnd()
        #expect(try await bench.log.closure().code == .normal)
    }

    @Test("a connection that ends without a close frame is 1006, half closed or whole", arguments: Bench.roles)
    func abnormal(role: Role) async throws {
        for isHalf in [true, false] {
            let bench = try await Bench.open(role)
            await bench.peer.send(0x01, text: "unfinished")
            if isHalf { await bench.peer.connection.closeOutput() } else { await bench.end() }
            #expect(try await bench.log.closure().code == .abnormal)
            await bench.end()
        }
    }

    @Test("a reason is cut to 123 bytes at a character's end, a code that may not be sent is left out")
    func ownReasons() async throws {
        let bench = try await Bench.open(.server)
        try await bench.handle.run { $0.close(.policyViolation, reason: String(repeating: "é", count: 100)) }
        #expect(try await bench.peer.frames(1)[0].payload.count == 2 + 122)
        await bench.end()
        let other = try await Bench.open(.server)
        try await other.handle.run { $0.close(.noStatus, reason: "x") }
        #expect(try await other.peer.frames(1)[0].payload.isEmpty)
        await other.end()
    }

    @Test("both sides closing at once is a clean end", arguments: Bench.roles)
    func crossing(role: Role) async throws {
        let bench = try await Bench.open(role)
        async let ours: Void = bench.handle.run { $0.close(.goingAway, deadline: .seconds(60)) }
        await bench.peer.send(0x88, payload(1000))
        try await ours
        #expect(try await bench.peer.frames(1).map(\.opcode) == [8])
        if role == .client { await bench.end() }
        #expect(try await bench.log.closure().code == .normal)
    }
}
