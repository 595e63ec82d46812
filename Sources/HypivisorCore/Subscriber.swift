import HypiNet
import HypiWire
import NIOCore

/// A registry connection as the roster sees it: a name, and a way to write to it from the registry's loop.
struct Subscriber: Sendable {
    /// Which connection it is.
    let id: ConnectionID
    /// The address it comes from.
    let address: String
    private let socket: NIOLoopBound<WebSocket>
    private let onProbe: @Sendable () -> Void

    /// A subscriber; must be made on the socket's loop.
    ///
    /// - Parameters:
    ///   - id: Which connection it is.
    ///   - socket: The way to it.
    ///   - onProbe: Called on that loop when the roster wants to hear of the next sign of life.
    init(id: ConnectionID, socket: WebSocket, onProbe: @escaping @Sendable () -> Void) {
        self.id = id
        self.onProbe = onProbe
        address = socket.peerAddress.withoutMappedPrefix
        self.socket = NIOLoopBound(socket, eventLoop: socket.eventLoop)
    }

    /// The loop its connection lives on.
    var eventLoop: any EventLoop { socket.eventLoop }

    /// Sends `init` with a roster, which is put into words on the connection's own loop.
    func greet(with nodes: [NodeSnapshot], cursor: String) {
        eventLoop.execute {
            let text = RegistryEvent.initialBytes(nodes.lazy.map(\.node), resumed: false, cursor: cursor)
            socket.value.send(text: ByteBuffer(bytes: text))
        }
    }

    /// Asks the peer for a sign of life.
    func probe() {
        eventLoop.execute {
            onProbe()
            socket.value.ping()
        }
    }

    /// Sends an event that is for this connection alone.
    func send(_ event: RegistryEvent, cursor: String? = nil) {
        eventLoop.execute { socket.value.send(json: event.json(cursor: cursor)) }
    }

    /// Writes finished frames; on its loop only.
    ///
    /// One that does not read is closed with 1013 by its socket, whose outbox is bounded.
    func write(_ frames: ByteBuffer) {
        socket.value.write(frames: frames)
    }
}

extension String {
    /// An IPv4 address that a socket for both families reports as `::ffff:a.b.c.d`, as people write it.
    fileprivate var withoutMappedPrefix: String {
        hasPrefix("::ffff:") && contains(".") ? String(dropFirst("::ffff:".count)) : self
    }
}
