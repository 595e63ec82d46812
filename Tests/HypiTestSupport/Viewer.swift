public import HypiNet
public import HypiWire
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix

/// A client of a WebSocket endpoint that keeps every frame it gets, for tests that wait for one of them.
public final class Viewer: Sendable {
    private struct Waiter {
        var id: Int
        var isSatisfied: @Sendable (Frames) -> Bool
        var continuation: CheckedContinuation<Void, any Error>
    }

    /// What a viewer has got so far.
    public struct Frames: Sendable {
        /// The frames, in order.
        public var all: [ByteBuffer] = []
        /// How the connection ended, once it has.
        public var closure: Closure?

        /// The frames as JSON, from one on.
        public func json(from start: Int = 0) -> [JSON] {
            all[min(start, all.count)...].map { (try? JSON(parsing: $0)) ?? .null }
        }

        /// The last frame, as JSON.
        public var last: JSON {
            all.last.flatMap { try? JSON(parsing: $0) } ?? .null
        }
    }

    private struct State {
        var frames = Frames()
        var waiters: [Waiter] = []
        var nextID = 0
    }

    private let stream: MessageStream
    private let reader: NIOLockedValueBox<Task<Void, Never>?>
    private let state: NIOLockedValueBox<State>

    /// Connects; with a `hello` in the session dialect, else in the viewport dialect.
    public init(
        _ url: WebSocketURL, token: Token?, hello: JSONObject? = nil, subprotocols: [String] = [],
        trust: TLSTrust = TLSTrust(), compresses: Bool = false
    ) async throws {
        let options = WebSocketClient.Options(
            token: token, subprotocols: subprotocols, trust: trust,
            socket: .init(messageLimit: Limits.serverMessageBytes, compresses: compresses))
        stream = try await MessageStream.connect(
            to: url, options: options, on: MultiThreadedEventLoopGroup.singleton)
        state = NIOLockedValueBox(State())
        reader = NIOLockedValueBox(nil)
        let (messages, state) = (stream.messages, state)
        reader.withLockedValue { $0 = Task { await Self.read(messages, into: state) } }
        if let hello {
            var frame: JSONObject = ["type": "hello", "protocolVersion": 1, "clientId": "test"]
            for member in hello.members { frame[member.key] = member.value }
            send(.object(frame))
        }
    }

    deinit {
        reader.withLockedValue { $0 }?.cancel()
    }

    /// What has come so far.
    public var frames: Frames {
        state.withLockedValue { $0.frames }
    }

    /// Sends text.
    public func send(_ text: String) {
        stream.send(ByteBuffer(string: text))
    }

    /// Sends a JSON value.
    public func send(_ json: JSON) {
        stream.send(json)
    }

    /// Sends a command of pi in the session dialect.
    public func command(_ payload: JSONObject, messageID: String? = nil) {
        var frame: JSONObject = ["type": "command", "payload": .object(payload)]
        frame["clientMessageId"] = messageID.map(JSON.string)
        send(.object(frame))
    }

    /// Closes and waits for the end.
    public func close() async {
        await stream.closeAndWait()
    }

    /// Waits until the predicate holds for what has come.
    @discardableResult
    public func wait(
        _ what: String, timeout: Duration = .seconds(20), until isSatisfied: @escaping @Sendable (Frames) -> Bool
    ) async throws -> Frames {
        try await within(timeout, "\(what); there is: \(self.summary)") {
            try await self.wait(isSatisfied)
        }
        return frames
    }

    /// Waits for a frame, from one on; the first that matches.
    public func frame(
        _ what: String, from start: Int = 0, timeout: Duration = .seconds(20),
        where matches: @escaping @Sendable (JSON) -> Bool
    ) async throws -> JSON {
        // Each frame is looked at once: streams are long.
        let position = NIOLockedValueBox((next: start, found: JSON?.none))
        try await wait(what, timeout: timeout) { frames in
            position.withLockedValue { position in
                while position.found == nil, position.next < frames.all.count {
                    let json = (try? JSON(parsing: frames.all[position.next])) ?? .null
                    position.next += 1
                    if matches(json) { position.found = json }
                }
                return position.found != nil || frames.closure != nil
            }
        }
        guard let found = position.withLockedValue({ $0.found }) else {
            throw DeadlinePassed("closed before \(what): \(summary)")
        }
        return found
    }

    private var summary: String {
        let frames = frames
        let tail = frames.all.suffix(5).map { String(String(buffer: $0).prefix(300)) }
        return "\(frames.all.count) frames, closure \(String(describing: frames.closure)), at the end \(tail)"
    }

    private func wait(_ isSatisfied: @escaping @Sendable (Frames) -> Bool) async throws {
        let id = state.withLockedValue { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isReady = state.withLockedValue { state in
                    if Task.isCancelled || isSatisfied(state.frames) { return true }
                    state.waiters.append(Waiter(id: id, isSatisfied: isSatisfied, continuation: continuation))
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLockedValue { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
    }

    private static func read(_ messages: MessageStream.Messages, into state: NIOLockedValueBox<State>) async {
        do {
            for try await message in messages { wake(state) { $0.all.append(message) } }
            wake(state) { $0.closure = Closure(code: .normal) }
        } catch let lost as MessageStream.ConnectionLost {
            wake(state) { $0.closure = lost.closure }
        } catch {
            wake(state) { $0.closure = Closure(code: .abnormal, reason: "\(error)") }
        }
    }

    private static func wake(_ state: NIOLockedValueBox<State>, _ change: (inout Frames) -> Void) {
        let ready = state.withLockedValue { state -> [Waiter] in
            change(&state.frames)
            let ready = state.waiters.filter { $0.isSatisfied(state.frames) }
            state.waiters.removeAll { waiter in ready.contains { $0.id == waiter.id } }
            return ready
        }
        for waiter in ready { waiter.continuation.resume() }
    }
}
