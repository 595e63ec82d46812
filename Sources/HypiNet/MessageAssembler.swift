public import HypiWire
public import NIOCore

/// A whole WebSocket message.
public struct Message: Sendable, Equatable {
    /// Whether it is text (valid UTF-8) or binary.
    public var isText: Bool
    /// The payload.
    public var payload: ByteBuffer

    /// A message.
    public init(isText: Bool, payload: ByteBuffer) {
        self.isText = isText
        self.payload = payload
    }
}

/// Why a connection ended, as the peer said it, or as it looked from here.
public struct Closure: Sendable, Equatable {
    /// The peer's code; ``CloseCode/noStatus`` and ``CloseCode/abnormal`` where it gave none.
    public var code: CloseCode
    /// The peer's reason; may be empty.
    public var reason: String

    /// A closure.
    public init(code: CloseCode, reason: String = "") {
        self.code = code
        self.reason = reason
    }
}

/// Checks the order of frames and puts fragments together (RFC 6455 sections 5.4 to 5.6).
///
/// A pure state machine. Text is checked as it arrives, so that a bad byte ends the connection before the rest of a
/// long message has been sent.
struct MessageAssembler {
    /// What a frame amounts to.
    enum Output: Equatable {
        /// A part of a message that goes on.
        case partial
        case message(Message)
        case ping(ByteBuffer)
        case pong(ByteBuffer)
        case close(Closure)
    }

    private enum State {
        case between
        case inside(isText: Bool, isCompressed: Bool)
    }

    private let messageLimit: Int
    /// Off for a relay, which passes fragments on and leaves what is in them to the endpoints.
    private let assembles: Bool
    private var state = State.between
    private var collected = ByteBuffer()
    private var validator = UTF8Validator()
    /// Whether a compressed message may refer to those before it, so that they have to be kept in mind.
    private let peerKeepsContext: Bool
    /// Made for the first compressed message, and kept no longer than it is needed.
    private var inflater: InflateStream?

    init(messageLimit: Int, assembles: Bool, peerKeepsContext: Bool = false) {
        self.messageLimit = messageLimit
        self.assembles = assembles
        self.peerKeepsContext = peerKeepsContext
    }

    mutating func accept(_ frame: Frame) throws(FrameFault) -> Output {
        switch (frame.opcode, state) {
        case (.ping, _): return .ping(frame.payload)
        case (.pong, _): return .pong(frame.payload)
        case (.close, _): return .close(try Self.closure(frame.payload))
        case (.text, .between): return try begin(frame, isText: true)
        case (.binary, .between): return try begin(frame, isText: false)
        case (.continuation, .inside(let isText, let isCompressed)):
            return try take(frame, isText: isText, isCompressed: isCompressed)
        case (.continuation, .between): throw .violation("continuation without a message")
        case (.text, .inside), (.binary, .inside): throw .violation("new message inside a fragmented one")
        }
    }

    private mutating func begin(_ frame: Frame, isText: Bool) throws(FrameFault) -> Output {
        collected = ByteBuffer()
        validator = UTF8Validator()
        return try take(frame, isText: isText, isCompressed: frame.isCompressed)
    }

    private mutating func take(_ frame: Frame, isText: Bool, isCompressed: Bool) throws(FrameFault) -> Output {
        state = frame.isFinal ? .between : .inside(isText: isText, isCompressed: isCompressed)
        guard assembles else { return .partial }
        let payload = isCompressed ? try inflate(frame) : frame.payload
        guard collected.readableBytes + payload.readableBytes <= messageLimit else {
            throw FrameFault(code: .messageTooBig, reason: "message over \(messageLimit) bytes")
        }
        if isText {
            let isValid = payload.withUnsafeReadableBytes { validator.accept($0) }
            guard isValid, !frame.isFinal || validator.isAtBoundary else {
                throw FrameFault(code: .invalidPayload, reason: "text is not UTF-8")
            }
        }
        if collected.readableBytes == 0 {
            collected = payload
        } else {
            collected.writeImmutableBuffer(payload)
        }
        guard frame.isFinal else { return .partial }
        defer { collected = ByteBuffer() }
        return .message(Message(isText: isText, payload: collected))
    }

    private mutating func inflate(_ frame: Frame) throws(FrameFault) -> ByteBuffer {
        guard let stream = inflater ?? InflateStream() else {
            throw FrameFault(code: .internalError, reason: "no memory to decompress")
        }
        inflater = frame.isFinal && !peerKeepsContext ? nil : stream
        return try stream.decompress(
            frame.payload, isLast: frame.isFinal, limit: messageLimit - collected.readableBytes)
    }

    private static func closure(_ payload: ByteBuffer) throws(FrameFault) -> Closure {
        var payload = payload
        guard payload.readableBytes > 0 else { return Closure(code: .noStatus) }
        guard let raw = payload.readInteger(as: UInt16.self) else { throw .violation("close code of one byte") }
        let code = CloseCode(rawValue: raw)
        guard code.isSendable else { throw .violation("close code \(raw) may not be sent") }
        guard let reason = String(validating: payload.readableBytesView, as: UTF8.self) else {
            throw FrameFault(code: .invalidPayload, reason: "close reason is not UTF-8")
        }
        return Closure(code: code, reason: reason)
    }
}
