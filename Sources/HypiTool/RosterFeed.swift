public import HypiNet
public import HypiWire
public import NIOCore

/// The registry's list and its changes as they come, through any number of connections.
///
/// What is not read is not fetched: a reader that stops makes the registry wait, and one that the registry has given up
/// comes back with its cursor. Only the first connection may fail; later ones are tried again with growing delays.
///
/// ```
/// connect /ws?since=cursor -> list | resumed -> event, event, ... -> lost -> connect again
/// ```
public struct RosterFeed {
    /// One piece of news.
    public enum News: Sendable {
        /// The whole list.
        case list([Node], cursor: String?)
        /// The registry goes on behind the cursor that was shown to it; what was missed follows.
        case resumed
        /// The whole list, beside the events, after a feed that was begun with a cursor went on there.
        case background([Node])
        /// One event.
        case event(RegistryEvent, cursor: String?)
        /// The connection ended; the next call connects again.
        case lost(Closure)
    }

    private struct Connection {
        var stream: MessageStream
        var messages: MessageStream.Messages.Iterator
    }

    private let url: WebSocketURL
    private let options: WebSocketClient.Options
    private let group: any EventLoopGroup
    private var connection: Connection?
    private var wasConnected = false
    private var hasList = false
    private var backoff = Backoff(first: .milliseconds(200), longest: .seconds(10))
    private var random = SystemRandomNumberGenerator()
    /// Where the next connection goes on; `nil` before the first list.
    public private(set) var cursor: String?

    /// A feed that has not connected yet.
    ///
    /// - Parameters:
    ///   - url: The registry endpoint.
    ///   - options: How to connect.
    ///   - cursor: Where an earlier feed ended; `nil`: start with the list.
    ///   - group: Where the connection's loop comes from.
    public init(
        _ url: WebSocketURL, options: WebSocketClient.Options, since cursor: String? = nil,
        on group: any EventLoopGroup
    ) {
        self.url = url
        self.options = options
        self.cursor = cursor
        self.group = group
    }

    /// The next piece of news.
    ///
    /// - Throws: ``ConnectError`` if the first connection cannot be opened or a later one is refused, and
    ///   ``RegistryClient/ProtocolFault`` if what answers is no registry.
    public mutating func next() async throws -> News {
        if connection == nil { try await connect() }
        do {
            while let payload = try await connection?.messages.next() {
                if let news = try read(payload) { return news }
            }
            return lost(Closure(code: .normal))
        } catch let error as MessageStream.ConnectionLost {
            return lost(error.closure)
        }
    }

    /// Closes the connection, if there is one, in good order.
    public mutating func close() async {
        await connection?.stream.closeAndWait()
        connection = nil
    }

    private mutating func lost(_ closure: Closure) -> News {
        connection = nil
        return .lost(closure)
    }

    private mutating func read(_ payload: ByteBuffer) throws -> News? {
        let json: JSON
        do {
            json = try JSON(parsing: payload)
        } catch {
            throw RegistryClient.ProtocolFault(reason: "a frame is not JSON: \(error)")
        }
        if let (event, cursor) = RegistryEvent.read(json) { return take(event, cursor) }
        if let list = RegistryResponse(json: json), case .success(let result) = list.outcome, let array = result.array {
            hasList = true
            return .background(array.compactMap { try? Node(json: $0) })
        }
        // Whatever else comes belongs to a later version of the protocol.
        return nil
    }

    private mutating func take(_ event: RegistryEvent, _ cursor: String?) -> News {
        if let cursor { self.cursor = cursor }
        guard case .initial(let nodes, let isResumed) = event else { return .event(event, cursor: cursor) }
        backoff.reset()
        guard isResumed else {
            hasList = true
            return .list(nodes, cursor: cursor)
        }
        // Without the list a later one could not be compared, and nobody would hear of agents that went meanwhile.
        if !hasList { connection?.stream.send(RegistryRequest(id: 1, method: "list_nodes").json) }
        return .resumed
    }

    private mutating func connect() async throws {
        while true {
            // The backoff between attempts; the hypivisor may be on another machine, where nothing tells that it is back.
            if wasConnected { try await Task.sleep(for: backoff.next(using: &random)) }
            do {
                let query = cursor.map { "since=" + PercentCoding.encode($0) }
                let stream = try await MessageStream.connect(
                    to: url.with(path: url.path, query: query), options: options, on: group)
                connection = Connection(stream: stream, messages: stream.messages.makeAsyncIterator())
                wasConnected = true
                return
            } catch let error as ConnectError {
                guard wasConnected, error.isPassing else { throw error }
            }
        }
    }
}

extension ConnectError {
    /// Whether trying again later may help: the registry is away, starting or full.
    fileprivate var isPassing: Bool {
        switch self {
        case .unreachable, .timedOut: true
        case .refused(_, let status, _): status == 429 || status >= 500
        case .notWebSocket, .tokenInTheClear, .untrusted, .strangersListener, .unknownListener: false
        }
    }
}
