/// A WebSocket close code (RFC 6455 section 7.4), as the number on the wire.
public struct CloseCode: RawRepresentable, Sendable, Hashable {
    /// The number on the wire.
    public var rawValue: UInt16

    /// A code from its number; whether it may be sent says ``isSendable``.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// The purpose of the connection has been fulfilled.
    public static let normal = CloseCode(rawValue: 1000)
    /// The endpoint goes away: a server stops, a person leaves.
    public static let goingAway = CloseCode(rawValue: 1001)
    /// The peer broke the WebSocket protocol.
    public static let protocolError = CloseCode(rawValue: 1002)
    /// The peer sent a kind of data we do not take.
    public static let unsupportedData = CloseCode(rawValue: 1003)
    /// The peer's close frame had no code; never on the wire.
    public static let noStatus = CloseCode(rawValue: 1005)
    /// The connection ended without a close frame; never on the wire.
    public static let abnormal = CloseCode(rawValue: 1006)
    /// A text message was not UTF-8.
    public static let invalidPayload = CloseCode(rawValue: 1007)
    /// A refusal for a reason that no other code names.
    public static let policyViolation = CloseCode(rawValue: 1008)
    /// A message or frame was longer than we take.
    public static let messageTooBig = CloseCode(rawValue: 1009)
    /// A defect on our side.
    public static let internalError = CloseCode(rawValue: 1011)
    /// The peer reads too slowly, or we are too full; it may come back.
    public static let tryAgainLater = CloseCode(rawValue: 1013)
    /// A relay lost the connection behind it (registered with IANA, next to RFC 6455 section 7.4.1).
    public static let badGateway = CloseCode(rawValue: 1014)

    /// Whether a close frame may carry the code (RFC 6455 section 7.4.1 and 7.4.2).
    public var isSendable: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
