@testable import HypiNet
import HypiWire
import NIOCore
import NIOPosix
import Testing

@Suite("Backoff")
struct BackoffTests {
    @Test("doubles from the first delay to the longest, jittered by up to a half, and starts anew after a success")
    func delays() {
        var backoff = Backoff(first: .milliseconds(500), longest: .seconds(30))
        var generator = SeededGenerator(seed: 1)
        for whole in [0.5, 1, 2, 4, 8, 16, 30, 30, 30] {
            let delay = backoff.next(using: &generator)
            #expect(delay >= .seconds(whole / 2) && delay <= .seconds(whole))
        }
        backoff.reset()
        #expect(backoff.next(using: &generator) <= .milliseconds(500))
    }

    @Test("two of them do not beat together")
    func jitter() {
        var backoff = Backoff()
        var other = Backoff()
        var generator = SeededGenerator(seed: 2)
        #expect(backoff.next(using: &generator) != other.next(using: &generator))
    }
}

@Suite("Heartbeat")
struct HeartbeatTests {
    @Test("a quiet peer is asked twice, then given up; any sign of life starts the count anew")
    func beats() {
        var heartbeat = Heartbeat()
        #expect([heartbeat.beat(), heartbeat.beat(), heartbeat.beat()] == [.ping, .ping, .giveUp])
        heartbeat = Heartbeat()
        #expect([heartbeat.beat(), heartbeat.beat()] == [.ping, .ping])
        heartbeat.sawPeer()
        #expect([heartbeat.beat(), heartbeat.beat(), heartbeat.beat()] == [.rest, .ping, .ping])
        heartbeat.sawPeer()
        heartbeat.sawPeer()
        #expect([heartbeat.beat(), heartbeat.beat()] == [.rest, .ping])
    }
}

@Suite("Outbox")
struct OutboxTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    @Test("one write of any length has room while nothing waits, more only up to the limit")
    func room() async throws {
        try await loop.submit { [loop] in
            let outbox = Outbox()
            #expect(outbox.hasRoom(1000, limit: 100))
            let long = outbox.add(1000, on: loop)
            #expect(!outbox.hasRoom(1, limit: 100))
            long.succeed()
            let first = outbox.add(60, on: loop)
            #expect(outbox.hasRoom(40, limit: 100) && !outbox.hasRoom(41, limit: 100))
            first.succeed()
        }.get()
    }

    @Test("a peer has taken something only if something waited for it, and less does now")
    func movement() async throws {
        try await loop.submit { [loop] in
            let outbox = Outbox()
            #expect(!outbox.hasMoved(waiting: 0))
            outbox.add(1000, on: loop).succeed()
            // It went to the kernel at once, which proves nothing.
            #expect(!outbox.hasMoved(waiting: 0))
            outbox.add(1000, on: loop).succeed()
            #expect(!outbox.hasMoved(waiting: 600))
            #expect(!outbox.hasMoved(waiting: 600))
            outbox.add(500, on: loop).succeed()
            // More waits than before, of what came later; some of the first has gone.
            #expect(outbox.hasMoved(waiting: 700))
            #expect(outbox.hasMoved(waiting: 0))
            #expect(!outbox.hasMoved(waiting: 0))
        }.get()
    }
}

@Suite("Token")
struct TokenTests {
    @Test("white space around it is not part of it; nothing, and control characters within, are no token")
    func reading() {
        #expect(Token("  abc\n")?.secret == "abc")
        #expect(Token("a b")?.secret == "a b")
        for text in ["", " \n", "a\nb", "a\u{7F}b", "a\0b"] { #expect(Token(text) == nil) }
    }

    @Test("only the whole secret matches")
    func matching() {
        let token = Token("secret")
        #expect(token?.matches("secret") == true)
        for text in ["", "s", "secre", "secrets", "Secret", "secret ", "secretsecret", "tecret"] {
            #expect(token?.matches(text) == false)
        }
    }

    @Test("a new one has 256 bits in hexadecimal, and never the same")
    func random() {
        let token = Token.random()
        #expect(token.secret.utf8.count == 64 && token.secret.allSatisfy(\.isHexDigit))
        #expect(!Token.random().matches(token.secret))
    }

    @Test("it cannot slip into a log")
    func hidden() {
        let token = Token("s3cret")
        #expect(!"\(String(describing: token)) \(String(reflecting: token))".contains("s3cret"))
        var dumped = ""
        dump(WebSocketClient.Options(token: token), to: &dumped)
        #expect(!dumped.contains("s3cret") && !dumped.contains("115"))
    }
}
