@testable import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// Who guesses at the token, and what that costs the guesser and nobody else.
@Suite("Guessing at the token")
struct GuessingTests {
    private static let longToken = String(repeating: "k", count: Limits.tokenCharacters)
    private static let late = TimeAmount.milliseconds(400)
    private static let never = TimeAmount.hours(1)

    /// The status of the answer to one request, and how long it took.
    private func ask(_ server: EchoServer, token: String?) async throws -> (status: String, time: Duration) {
        let clock = ContinuousClock()
        let begin = clock.now
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(server.request(token: token))
        let head = try await RawPeer(connection, isClient: true).readHead()
        await connection.close()
        return (String(head.dropFirst("HTTP/1.1 ".count).prefix(3)), begin.duration(to: clock.now))
    }

    /// A server that has had as many wrong attempts from this machine as it answers at once.
    private func throttled(token: String, delay: TimeAmount) async throws -> EchoServer {
        let server = try await EchoServer.start(token: token, refusalDelay: delay)
        for _ in 0..<Limits.refusalsPerMinute { #expect(try await ask(server, token: "guess").status == "401") }
        return server
    }

    @Test("after twenty wrong attempts answers to wrong ones are late; a long token that is right is let in at once")
    func late() async throws {
        let server = try await throttled(token: Self.longToken, delay: Self.late)
        for token in ["guess", nil] {
            let answer = try await ask(server, token: token)
            #expect(answer.status == "429" && answer.time >= .milliseconds(400))
        }
        await server.stop()
        let patient = try await throttled(token: Self.longToken, delay: Self.never)
        #expect(try await ask(patient, token: Self.longToken).status == "101")
        await patient.stop()
    }

    @Test("a short token is answered as late as a wrong one, so that nobody learns from a quick answer")
    func short() async throws {
        let server = try await throttled(token: "7291", delay: Self.late)
        let wrong = try await ask(server, token: "7290")
        let right = try await ask(server, token: "7291")
        #expect(wrong.status == "429" && wrong.time >= .milliseconds(400))
        #expect(right.status == "101" && right.time >= .milliseconds(400))
        await server.stop()
    }

    @Test("only so many attempts wait: further ones are refused at once, unread, and hanging up makes no room")
    func places() async throws {
        let server = try await throttled(token: "7291", delay: Self.never)
        for _ in 0..<Limits.delayedRefusals {
            let connection = try await RawConnection.connect(to: server.port)
            await connection.send(server.request(token: "7290"))
            await connection.close()
        }
        // The places are taken as the requests are read, on several loops.
        try await within(.seconds(30), "all places taken") {
            while try await ask(server, token: "7290", patience: .milliseconds(300)) != "429" {}
        }
        #expect(try await ask(server, token: "7291", patience: .seconds(30)) == "429")
        await server.stop()
    }

    /// The status of an answer, `nil` where none comes in time.
    private func ask(_ server: EchoServer, token: String, patience: Duration) async throws -> String? {
        let connection = try await RawConnection.connect(to: server.port)
        await connection.send(server.request(token: token))
        do {
            try await connection.received.wait("an answer", timeout: patience) { bytes, _ in bytes.count >= 12 }
        } catch is DeadlinePassed {
            await connection.close()
            return nil
        }
        await connection.close()
        return String(decoding: connection.received.bytes.dropFirst("HTTP/1.1 ".count).prefix(3), as: UTF8.self)
    }

    @Test("who waits for a late answer is not read: what comes meanwhile is bounded")
    func bounded() async throws {
        let server = try await throttled(token: "7291", delay: Self.never)
        let connection = try await RawConnection.connect(to: server.port)
        let flood = Array(server.request(token: "7291").utf8) + [UInt8](repeating: 0x78, count: 1 << 20)
        async let sent: Void = connection.send(flood)
        #expect(String(decoding: try await connection.untilEnd(), as: UTF8.self).hasPrefix("HTTP/1.1 400 "))
        await sent
        await server.stop()
    }

    @Test("silent connections lock nobody out: those who have shown no token are counted apart, the oldest go")
    func silent() async throws {
        let server = try await EchoServer.start(connectionLimit: 4)
        var silent: [RawConnection] = []
        for _ in 0..<Limits.pendingPerAddress { silent.append(try await RawConnection.connect(to: server.port)) }
        var owners: [RawPeer] = []
        for _ in 0..<4 { owners.append(try await server.open()) }
        #expect(try await ask(server, token: EchoServer.token).status == "503")
        // One for each that came after them.
        #expect(try await silent[0].untilEnd().isEmpty)
        for owner in owners {
            await owner.send(0x81, text: "still here")
            #expect(try await owner.frames(1).map(\.text) == ["still here"])
            await owner.connection.close()
        }
        for connection in silent { await connection.close() }
        await server.stop()
    }
}
