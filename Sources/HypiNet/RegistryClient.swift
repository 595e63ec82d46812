public import HypiWire
import NIOConcurrencyHelpers
public import NIOCore

/// A conversation with a hypivisor: requests and their answers, and the events that come unasked.
///
/// Requests may run at once; answers find their asker by id. One task, owned by whoever calls ``run()``, reads the
/// connection; when it ends, every request that still waits fails.
public final class RegistryClient: Sendable {
    /// An event and the cursor a client can come back with.
    public struct Event: Sendable {
        /// What happened.
        public var event: RegistryEvent
        /// Where it stands among all events; `nil` on agent connections.
        public var cursor: String?
    }

    /// The peer is not a hypivisor, or broke the protocol.
    public struct ProtocolFault: Error, Sendable, Equatable {
        /// What it did.
        public var reason: String

        /// A fault.
        public init(reason: String) {
            self.reason = reason
        }
    }

    private struct State {
        var nextID = 1
        var waiting: [Int: CheckedContinuation<JSON, any Error>] = [:]
        var end: (any Error)?
    }

    private let stream: MessageStream
    private let state = NIOLockedValueBox(State())
    private let eventSink: AsyncStream<Event>.Continuation
    private let keepsEvents: Bool
    /// The events, `init` first; empty unless the client was made to keep them.
    ///
    /// At most ``Limits/registryEvents`` wait to be read; beyond that the connection ends with ``ProtocolFault``, and
    /// the reader can come back with its last cursor.
    public let events: AsyncStream<Event>

    private init(stream: MessageStream, keepsEvents: Bool) {
        self.stream = stream
        self.keepsEvents = keepsEvents
        (events, eventSink) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(Limits.registryEvents))
    }

    /// Connects; nothing is read until ``run()``.
    ///
    /// - Parameters:
    ///   - url: The registry endpoint, `/ws`, with `role` or `since` in its query where they are wanted.
    ///   - options: How to connect.
    ///   - keepsEvents: Whether ``events`` will be read.
    ///   - group: Where the connection's loop comes from.
    /// - Returns: The client.
    /// - Throws: ``ConnectError``.
    public static func connect(
        to url: WebSocketURL, options: WebSocketClient.Options, keepsEvents: Bool = false,
        on group: any EventLoopGroup
    ) async throws -> RegistryClient {
        let stream = try await MessageStream.connect(to: url, options: options, on: group)
        return RegistryClient(stream: stream, keepsEvents: keepsEvents)
    }

    /// Connects, runs `body` beside the reader, and closes; the way a tool asks its questions.
    ///
    /// - Throws: ``ConnectError``, what `body` throws, or why the connection ended under it.
    public static func with<Result: Sendable>(
        _ url: WebSocketURL, options: WebSocketClient.Options, keepsEvents: Bool = false,
        on group: any EventLoopGroup,
        _ body: @escaping @Sendable (RegistryClient) async throws -> Result
    ) async throws -> Result {
        let client = try await connect(to: url, options: options, keepsEvents: keepsEvents, on: group)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            do {
                let result = try await body(client)
                // An end before ours is told; how our own close went is not, the answer is here.
                if let end = client.state.withLockedValue({ $0.end }), !Self.isNormal(end) { throw end }
                await client.close()
                tasks.cancelAll()
                return result
            } catch {
                await client.close()
                throw error
            }
        }
    }

    /// Asks one question.
    ///
    /// - Returns: The `result` of the answer.
    /// - Throws: ``RegistryFault`` if the registry refuses, `CancellationError`, or why the connection ended.
    public func request(_ method: String, _ params: JSONObject = [:]) async throws -> JSON {
        let id = state.withLockedValue { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                if let end = enter(id, continuation) { return continuation.resume(throwing: end) }
                stream.send(RegistryRequest(id: .int(id), method: method, params: params).json)
            }
        } onCancel: {
            leave(id)?.resume(throwing: CancellationError())
        }
    }

    /// Puts an asker on the list, or says why nothing will be answered any more.
    private func enter(_ id: Int, _ asker: CheckedContinuation<JSON, any Error>) -> (any Error)? {
        state.withLockedValue { state in
            // Whoever is cancelled from here on finds itself on the list.
            if Task.isCancelled { return CancellationError() }
            if state.end == nil { state.waiting[id] = asker }
            return state.end
        }
    }

    private func leave(_ id: Int) -> CheckedContinuation<JSON, any Error>? {
        state.withLockedValue { $0.waiting.removeValue(forKey: id) }
    }

    private static func isNormal(_ end: any Error) -> Bool {
        (end as? MessageStream.ConnectionLost)?.closure.code == .normal
    }

    /// The roster as it is now.
    ///
    /// - Throws: As ``request(_:_:)``.
    public func listNodes() async throws -> [Node] {
        let result = try await request("list_nodes")
        guard let array = result.array else { throw ProtocolFault(reason: "list_nodes did not answer an array") }
        return array.compactMap { try? Node(json: $0) }
    }

    /// Reads the connection until it ends.
    ///
    /// - Throws: ``MessageStream/ConnectionLost`` unless it ended by a normal close, or ``ProtocolFault``.
    public func run() async throws {
        do {
            for try await payload in stream.messages {
                try receive(payload)
            }
            finish(MessageStream.ConnectionLost(closure: Closure(code: .normal)))
        } catch {
            finish(error)
            throw error
        }
    }

    /// Closes the connection and waits until it is over.
    public func close() async {
        await stream.closeAndWait()
    }

    private func receive(_ payload: ByteBuffer) throws {
        let json: JSON
        do {
            json = try JSON(parsing: payload)
        } catch {
            throw ProtocolFault(reason: "a frame is not JSON: \(error)")
        }
        if let (event, cursor) = RegistryEvent.read(json) {
            guard keepsEvents else { return }
            if case .dropped = eventSink.yield(Event(event: event, cursor: cursor)) {
                throw ProtocolFault(reason: "events come faster than they are read")
            }
        } else if let response = RegistryResponse(json: json), let id = response.id?.int {
            leave(id)?.resume(with: response.outcome.mapError { $0 })
        }
    }

    private func finish(_ error: any Error) {
        let waiting = state.withLockedValue { state in
            state.end = error
            defer { state.waiting = [:] }
            return state.waiting
        }
        for asker in waiting.values { asker.resume(throwing: error) }
        eventSink.finish()
    }
}
