@testable import HypiNet
import HypiWire
import NIOCore
import Testing

@Suite("HandshakePolicy")
struct HandshakePolicyTests {
    /// One row: what a request shows, and the status it is answered with; `nil` lets it in.
    struct Row: Sendable, CustomTestStringConvertible {
        var token: String?
        var query: String?
        var host: String? = "127.0.0.1:7"
        var origin: String?
        var isOpen = false
        var servesPages = false
        var status: Int?

        var testDescription: String {
            "\(token ?? "-") \(query ?? "-") host \(host ?? "-") origin \(origin ?? "-")"
                + (isOpen ? " --no-auth" : "") + " -> \(status ?? 101)"
        }
    }

    private static let right = "Bearer right"

    @Test(
        "who may enter",
        arguments: [
            // The token.
            Row(token: right), Row(token: "bearer  right"), Row(query: "token=right"), Row(query: "a=b&token=r%69ght"),
            Row(status: 401), Row(token: "Bearer wrong", status: 401), Row(token: "Bearer", status: 401),
            Row(token: "Bearer ", status: 401), Row(token: "Bearer right2", status: 401),
            Row(token: "Bearer righ", status: 401), Row(token: "right", status: 401), Row(query: "token=", status: 401),
            Row(query: "xtoken=right", status: 401), Row(query: "token=wrong&token=right", status: 401),
            Row(token: "Basic eDp5", query: "token=right"),
            Row(token: "Bearer wrong", query: "token=right", status: 401),
            // Without Origin any name will do.
            Row(token: right, host: "anything.example"), Row(token: right, host: nil),
            // Our own page, under every name that is ours.
            Row(token: right, host: "localhost:7", origin: "http://localhost:7"),
            Row(token: right, host: "LOCALHOST:7", origin: "http://localhost:7"),
            Row(token: right, host: "127.9.9.9:7", origin: "https://127.9.9.9:7"),
            Row(token: right, host: "[::1]:7", origin: "http://[::1]:7"),
            Row(token: right, host: "box:7", origin: "http://BOX:7"),
            Row(token: right, host: "192.0.2.5:7", origin: "http://192.0.2.5:7"),
            Row(token: right, host: "named.example", origin: "https://named.example"),
            Row(token: right, host: "named.example:8443", origin: "https://named.example:8443"),
            // An origin that was allowed, whatever the host.
            Row(token: right, host: "x.example", origin: "https://dash.example"),
            Row(token: right, origin: "HTTPS://DASH.EXAMPLE"),
            Row(host: "x", origin: "https://dash.example", status: 401),
            // Pages from elsewhere.
            Row(token: right, origin: "https://evil.example", status: 403),
            Row(token: right, origin: "null", status: 403),
            Row(token: right, origin: "", status: 403), Row(token: right, origin: "http://127.0.0.1:8", status: 403),
            Row(token: right, origin: "http://127.0.0.1", status: 403),
            Row(token: right, origin: "ftp://127.0.0.1:7", status: 403),
            Row(token: right, origin: "https://dash.example.evil", status: 403),
            // DNS rebinding: origin and host agree, and neither is ours.
            Row(token: right, host: "evil.example:7", origin: "http://evil.example:7", status: 403),
            Row(token: right, host: "localhost:8", origin: "http://localhost:8", status: 403),
            Row(token: right, host: "localhost.evil.example:7", origin: "http://localhost.evil.example:7", status: 403),
            Row(token: right, host: "127.0.0.1.evil:7", origin: "http://127.0.0.1.evil:7", status: 403),
            Row(token: right, host: "127.+0.0.1:7", origin: "http://127.+0.0.1:7", status: 403),
            Row(token: right, host: "localhost:+7", origin: "http://localhost:+7", status: 403),
            Row(token: right, host: "[::1", origin: "http://[::1", status: 403),
            Row(token: right, host: nil, origin: "http://", status: 403),
            Row(token: right, host: "", origin: "http://", status: 403),
            // --no-auth: the host on every request.
            Row(isOpen: true), Row(host: "localhost:7", isOpen: true),
            Row(host: "evil.example:7", isOpen: true, status: 403),
            Row(host: nil, isOpen: true, status: 403), Row(token: right, host: "evil:7", isOpen: true, status: 403),
            Row(origin: "https://evil.example", isOpen: true, status: 403),
            Row(origin: "http://127.0.0.1:7", isOpen: true, status: 403),
            Row(origin: "http://127.0.0.1:7", isOpen: true, servesPages: true),
            Row(origin: "https://dash.example", isOpen: true),
            Row(host: "evil.example:7", origin: "https://dash.example", isOpen: true, status: 403),
        ])
    func decision(row: Row) {
        let policy = HandshakePolicy(
            token: row.isOpen ? nil : Token("right"),
            allowedOrigins: Set(["https://dash.example"].compactMap(Origin.init)),
            allowedHosts: ["named.example"], servesPages: row.servesPages, machine: "Box")
        let request = HandshakeRequest(
            path: "/ws", query: row.query, host: row.host, origin: row.origin, authorization: row.token,
            localAddress: "192.0.2.5", localPort: 7)
        #expect(policy.refusal(of: request)?.status == row.status)
    }

    @Test("a wrong attempt counts, a full server and a missing page do not")
    func attempts() {
        let attempts: [Refusal] = [.tokenMissing, .tokenWrong, .originNotAllowed, .hostNotAllowed]
        let others: [Refusal] = [.badRequest, .full, .notFound, .tooManyAttempts, .upgradeRequired]
        #expect(attempts.allSatisfy(\.isAttempt) && !others.contains(where: \.isAttempt))
    }
}

@Suite("RefusalLog")
struct RefusalLogTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("twenty wrong attempts in a minute are too many, for that address, until the minute is over")
    func window() {
        let log = RefusalLog()
        for attempt in 0..<20 {
            #expect(!log.isThrottled("192.0.2.1", at: start))
            log.record("192.0.2.1", at: start + .seconds(Int64(attempt)))
        }
        #expect(log.isThrottled("192.0.2.1", at: start + .seconds(59)))
        #expect(!log.isThrottled("192.0.2.2", at: start + .seconds(59)))
        #expect(!log.isThrottled("192.0.2.1", at: start + .seconds(60)))
        log.record("192.0.2.1", at: start + .seconds(60))
        #expect(!log.isThrottled("192.0.2.1", at: start + .seconds(60)))
    }

    @Test("all of loopback is one address")
    func loopback() {
        let log = RefusalLog()
        for host in 0..<10 { log.record("127.0.\(host).1", at: start) }
        for _ in 0..<10 { log.record("::1", at: start) }
        #expect(log.isThrottled("127.0.0.1", at: start) && log.isThrottled("::1", at: start))
        #expect(!log.isThrottled("192.0.2.1", at: start))
    }

    @Test("so many answers are delayed at the same time and no more, whether or not the peer waits for them")
    func delays() {
        let log = RefusalLog()
        log.record("192.0.2.1", at: start)
        let end = start + .seconds(2)
        for _ in 0..<Limits.delayedRefusals { #expect(log.delay("192.0.2.1", until: end, at: start)) }
        #expect(!log.delay("192.0.2.1", until: end, at: start + .seconds(1)))
        log.record("192.0.2.2", at: start)
        #expect(log.delay("192.0.2.2", until: end, at: start))
        #expect(log.delay("192.0.2.1", until: end + .seconds(2), at: end))
    }

    @Test("of IPv6 a whole /64 is one guesser")
    func version6() {
        let log = RefusalLog()
        for host in 0..<20 { log.record("2001:db8:1:2::\(host)", at: start) }
        #expect(log.isThrottled("2001:db8:1:2:ffff::1", at: start))
        #expect(!log.isThrottled("2001:db8:1:3::1", at: start))
    }

    @Test("the number of addresses is bounded, the oldest goes first")
    func bounded() {
        let log = RefusalLog()
        for _ in 0..<20 { log.record("first", at: start) }
        for index in 0..<4095 { log.record("a\(index)", at: start + .seconds(1)) }
        #expect(log.isThrottled("first", at: start + .seconds(2)))
        log.record("one more", at: start + .seconds(2))
        #expect(!log.isThrottled("first", at: start + .seconds(2)))
    }
}
