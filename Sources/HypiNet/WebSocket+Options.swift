public import HypiWire
public import NIOCore

extension WebSocket {
    /// How a connection behaves.
    public struct Options: Sendable {
        /// The longest message, in bytes; beyond it the connection is closed with 1009.
        public var messageLimit: Int
        /// Bytes that may wait for a slow peer; beyond it the connection is closed with 1013.
        ///
        /// `nil`: the caller watches ``WebSocket/isWritable`` and bounds its writes itself.
        public var outboxLimit: Int?
        /// Time between pings on a quiet connection; `nil`: none are sent.
        public var heartbeat: TimeAmount?
        /// Whether compressed messages are agreed to, and by a client asked for (RFC 7692).
        ///
        /// Only for endpoints that get whole messages.
        public var compresses: Bool

        /// Options; the defaults are the ones for a server.
        public init(
            messageLimit: Int = Limits.clientMessageBytes, outboxLimit: Int? = Limits.outboxBytes,
            heartbeat: TimeAmount? = .seconds(Limits.heartbeatSeconds), compresses: Bool = false
        ) {
            self.messageLimit = messageLimit
            self.outboxLimit = outboxLimit
            self.heartbeat = heartbeat
            self.compresses = compresses
        }
    }
}
