/// What a program does with one WebSocket connection.
///
/// All calls come on the connection's event loop, in order: one `opened`, any number of the middle ones, one `closed`.
/// State behind it belongs to that loop; an actor on the loop enters with `assumeIsolated`.
public protocol WebSocketEndpoint: AnyObject {
    /// Whether frames come one by one through ``received(frame:)``, as a relay wants them, instead of whole messages.
    var receivesFrames: Bool { get }

    /// Whether frames that are longer than ``Limits/framePartBytes`` come in pieces, ``Frame/part``, of which none waits
    /// for the next; only where frames come one by one.
    var receivesParts: Bool { get }

    /// The handshake is over; `socket` may be written to from here on.
    func opened(_ socket: WebSocket)

    /// A whole message arrived.
    func received(_ message: Message)

    /// A data, ping or pong frame arrived, and ``receivesFrames`` is true; nothing has been answered to it.
    func received(frame: Frame)

    /// All that one read from the peer brought has been handed on; what was gathered from it can go its way at once.
    func readEnded()

    /// Anything at all came from the peer, a pong too: a sign of life, before what it amounts to.
    func heard()

    /// The socket takes more bytes, or has stopped taking them: look at ``WebSocket/isWritable``.
    func writabilityChanged()

    /// The connection is over; no other call follows.
    func closed(_ closure: Closure)
}

extension WebSocketEndpoint {
    /// Whole messages.
    public var receivesFrames: Bool { false }
    /// Whole frames.
    public var receivesParts: Bool { false }
    /// Frames do not come to an endpoint that did not ask for them.
    public func received(frame: Frame) {}
    /// Nothing was gathered.
    public func readEnded() {}
    /// Signs of life are the heartbeat's business, unless an endpoint keeps a lease by them.
    public func heard() {}
    /// Nothing to do for an endpoint whose writes are bounded by the socket's outbox.
    public func writabilityChanged() {}
}
