import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Testing

/// One viewer that never reads beside one that does.
///
/// `HYPI_STALL_BYTES` sets how much is sent; 100 MB without it.
@Suite("pi-socket and a stalled viewer") struct PiSocketStallTests {
    @Test("pi is not slowed, memory stays bounded, the stalled viewer is closed with 1013 and can come back")
    func stall() async throws {
        let byteCount = ProcessInfo.processInfo.environment["HYPI_STALL_BYTES"].flatMap(Int.init) ?? 100_000_000
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let record =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
            + "/Fixtures/pi-rpc/02-text.jsonl"
        let agent = try await fixture.startAgent(
            [
                "--standalone", "--replay", "2M", "--pi", "\(Fixture.executable("pi-replay")) \(record)",
            ], environment: ["HYPI_REPLAY_BYTES": "\(byteCount)"])
        let token = try fixture.token()
        let stalled = try await StalledViewer(agent.url, token)
        let reader = try await WebSocketCounter(agent.url, token)
        try await reader.wait { $0.hasSnapshot }
        try await stalled.begin()
        let memory = try Self.peakMemory(agent.process.pid)
        reader.start()
        try await reader.wait(timeout: .seconds(120)) { $0.hasEnded }

        // A reader that lags for a moment is spared updates that later ones supersede.
        #expect(reader.byteCount > byteCount / 10 * 9)
        #expect(reader.closure == nil)
        // The log's two shapes and the buffers of a few reads of pi's pipe; what is not read is many times that.
        let growth = try Self.peakMemory(agent.process.pid) - memory
        #expect(growth < 40_000_000 || Effort.isSanitized, "\(growth)")

        let closure = try await stalled.wakeUp()
        #expect(closure.code == .tryAgainLater)
        #expect(closure.reason == "reads too slowly")
        let back = try await Viewer(
            agent.url, token: token,
            hello: ["lastSeq": .int(stalled.lastSeq), "boot": .string(stalled.boot)], subprotocols: ["pi-server.v1"])
        let welcome = try await back.frame("welcome") { $0["type"] == "welcome" }
        // What it missed is no longer kept: it begins anew, and says so.
        #expect(welcome["resumed"] == false)
        #expect(try #require(welcome["currentSeq"]?.int) > stalled.lastSeq)
    }

    /// The most memory a process has had, in bytes.
    private static func peakMemory(_ pid: pid_t) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * 1024
    }
}

/// A session viewer that reads its welcome and then nothing until it is woken up.
private final class StalledViewer: Sendable {
    private struct State {
        var socket: NIOLoopBound<SocketHolder>?
        var boot = ""
        var lastSeq = 0
    }

    private let state = NIOLockedValueBox(State())
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let welcomed: EventLoopPromise<Void>
    private let ended: EventLoopPromise<Closure>

    init(_ url: WebSocketURL, _ token: Token) async throws {
        welcomed = loop.makePromise()
        ended = loop.makePromise()
        let (state, welcomed, ended, loop) = (state, welcomed, ended, loop)
        let options = WebSocketClient.Options(
            token: token, subprotocols: ["pi-server.v1"], socket: .init(messageLimit: Limits.serverMessageBytes))
        try await WebSocketClient.connect(to: url, options: options, on: loop) {
            let holder = SocketHolder { message in
                guard let json = try? JSON(parsing: message.payload) else { return }
                state.withLockedValue { state in
                    state.boot = json["boot"]?.string ?? state.boot
                    state.lastSeq = json["seq"]?.int ?? json["currentSeq"]?.int ?? state.lastSeq
                }
                welcomed.succeed()
            } closed: {
                ended.succeed($0)
            }
            state.withLockedValue { $0.socket = NIOLoopBound(holder, eventLoop: loop) }
            return holder
        }.get()
    }

    var boot: String { state.withLockedValue { $0.boot } }
    var lastSeq: Int { state.withLockedValue { $0.lastSeq } }

    /// Says hello, reads the welcome, and stops reading.
    func begin() async throws {
        let hello: JSON = ["type": "hello", "protocolVersion": 1, "clientId": "stalled"]
        let holder = state.withLockedValue { $0.socket }
        loop.execute { holder?.value.socket?.send(json: hello) }
        try await welcomed.futureResult.get()
        try await loop.submit { holder?.value.socket?.pauseReading() }.get()
    }

    /// Reads on, up to the end.
    func wakeUp() async throws -> Closure {
        let holder = state.withLockedValue { $0.socket }
        loop.execute { holder?.value.socket?.resumeReading() }
        let ended = ended.futureResult
        return try await within(.seconds(30), "the stalled viewer is closed") { try await ended.get() }
    }
}

private final class SocketHolder: WebSocketEndpoint {
    var socket: WebSocket?
    private let take: (Message) -> Void
    private let end: (Closure) -> Void

    init(take: @escaping (Message) -> Void, closed end: @escaping (Closure) -> Void) {
        self.take = take
        self.end = end
    }

    func opened(_ socket: WebSocket) {
        self.socket = socket
    }

    func received(_ message: Message) {
        take(message)
    }

    func closed(_ closure: Closure) {
        socket = nil
        end(closure)
    }
}

/// A viewport viewer that reads everything and keeps nothing.
private final class WebSocketCounter: Sendable {
    struct State: Sendable {
        var hasSnapshot = false
        var hasEnded = false
        var byteCount = 0
        var closure: Closure?
    }

    private let state = NIOLockedValueBox(State())
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let holder: NIOLoopBound<SocketHolder>

    init(_ url: WebSocketURL, _ token: Token) async throws {
        let (state, loop) = (state, loop)
        let box = try await loop.submit {
            let holder = SocketHolder { message in
                let isEnd = message.payload == ByteBuffer(string: "{\"type\":\"replay_end\"}")
                state.withLockedValue { state in
                    state.hasSnapshot = true
                    state.byteCount += message.payload.readableBytes
                    if isEnd { state.hasEnded = true }
                }
            } closed: { closure in
                state.withLockedValue { $0.closure = closure }
            }
            return NIOLoopBound(holder, eventLoop: loop)
        }.get()
        holder = box
        let options = WebSocketClient.Options(
            token: token, socket: .init(messageLimit: Limits.serverMessageBytes))
        try await WebSocketClient.connect(to: url, options: options, on: loop) { box.value }.get()
    }

    var byteCount: Int { state.withLockedValue { $0.byteCount } }
    var closure: Closure? { state.withLockedValue { $0.closure } }

    func start() {
        loop.execute { self.holder.value.socket?.send(text: ByteBuffer(string: "go")) }
    }

    func wait(timeout: Duration = .seconds(20), _ holds: @escaping @Sendable (State) -> Bool) async throws {
        try await within(timeout, "\(self.state.withLockedValue { $0 })") {
            // Counted on the loop, a million frames at a time: an event for each would be what is measured.
            while !holds(self.state.withLockedValue { $0 }) { try await Task.sleep(for: .milliseconds(10)) }
        }
    }
}
