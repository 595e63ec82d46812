import HypiWire
public import NIOCore

/// The assistant message that is being streamed, as far as it has come.
///
/// Not a copy of the conversation: it lives from `message_start` to `message_end`, for viewers that arrive in between.
/// Text is put together from deltas by `contentIndex`, even where a pi before 0.84 repeats the whole message: that may
/// hold more than the deltas so far (its start record often holds the first one's text), and a viewer that adds what
/// follows would have it twice. Nothing is decoded: the escaped content of JSON strings can be joined as it is.
public struct PartialMessage: Sendable {
    private enum Block: Sendable {
        /// Escaped string content of a text or thinking block.
        case text(kind: String, content: ByteBuffer)
        /// A tool call: its id and name as raw values where they are known, then the arguments' text so far.
        case toolCall(id: ByteBuffer?, name: ByteBuffer?)
        /// A finished block as raw JSON.
        case finished(ByteBuffer)
    }

    /// The raw `message` of `message_start`.
    private let start: ByteBuffer
    private var blocks: [Int: Block] = [:]

    /// A message from its `message_start` record; `nil` if that is not an assistant's.
    public init?(_ record: PiRecord) {
        guard record.kind == .messageStart, Self.isAssistant(record), let message = record.value(of: "message") else {
            return nil
        }
        start = message
    }

    /// Whether a record carries a message of the assistant.
    static func isAssistant(_ record: PiRecord) -> Bool {
        record.value(of: "message")?.value(of: "role") == ByteBuffer(string: "\"assistant\"")
    }

    /// Takes one `message_update`.
    public mutating func apply(_ record: PiRecord) {
        guard let event = record.value(of: "assistantMessageEvent"), let type = event.value(of: "type")?.quoted,
            let index = event.value(of: "contentIndex").flatMap({ Int(String(buffer: $0)) })
        else { return }
        switch type {
        case "text_start", "thinking_start":
            blocks[index] = .text(kind: String(type.dropLast("_start".count)), content: ByteBuffer())
        case "text_delta", "thinking_delta":
            append(event.value(of: "delta"), to: index, kind: String(type.dropLast("_delta".count)))
        case "text_end", "thinking_end":
            guard let content = event.value(of: "content")?.unquoted else { return }
            blocks[index] = .text(kind: String(type.dropLast("_end".count)), content: content)
        case "toolcall_start":
            blocks[index] = .toolCall(id: event.value(of: "id"), name: event.value(of: "toolName"))
        case "toolcall_end":
            if let call = event.value(of: "toolCall") { blocks[index] = .finished(call) }
        default: break
        }
    }

    /// The message so far, as raw JSON of an assistant message.
    ///
    /// - Parameter holdsHalves: Whether the first half of a character is left out at the end of a text, because the next
    ///   delta will bring it (``SplitCharacters``).
    /// - Returns: The message.
    public func message(holdsHalves: Bool = false) -> ByteBuffer {
        start.settingValue(of: "content", to: content(holdsHalves))
    }

    /// First halves of characters that end a text so far, by `contentIndex`.
    public var halves: [Int: ByteBuffer] {
        blocks.compactMapValues { block in
            guard case .text(_, let content) = block, Self.endsWithHalf(content) else { return nil }
            return content.getSlice(
                at: content.writerIndex - SplitCharacters.escapeBytes, length: SplitCharacters.escapeBytes)
        }
    }

    private static func endsWithHalf(_ content: ByteBuffer) -> Bool {
        content.withUnsafeReadableBytes { SplitCharacters.half(atEndOf: $0[...]) }
    }

    private mutating func append(_ delta: ByteBuffer?, to index: Int, kind: String) {
        guard let delta = delta?.unquoted else { return }
        var content = ByteBuffer()
        // Taken out first, so that the bytes are appended in place.
        if case .text(_, let soFar)? = blocks.removeValue(forKey: index) { content = soFar }
        content.writeImmutableBuffer(delta)
        blocks[index] = .text(kind: kind, content: content)
    }

    private func content(_ holdsHalves: Bool) -> ByteBuffer {
        var array = ByteBuffer(string: "[")
        for (offset, block) in blocks.sorted(by: { $0.key < $1.key }).enumerated() {
            if offset > 0 { array.writeString(",") }
            switch block.value {
            case .text(let kind, var content):
                if holdsHalves, Self.endsWithHalf(content) {
                    content.moveWriterIndex(to: content.writerIndex - SplitCharacters.escapeBytes)
                }
                array.writeString("{\"type\":\"\(kind)\",\"\(kind)\":\"")
                array.writeImmutableBuffer(content)
                array.writeString("\"}")
            case .toolCall(let id, let name):
                array.writeString("{\"type\":\"toolCall\",\"id\":")
                array.writeImmutableBuffer(id ?? ByteBuffer(string: "\"\""))
                array.writeString(",\"name\":")
                array.writeImmutableBuffer(name ?? ByteBuffer(string: "\"\""))
                array.writeString(",\"arguments\":{}}")
            case .finished(let raw): array.writeImmutableBuffer(raw)
            }
        }
        array.writeString("]")
        return array
    }
}

extension ByteBuffer {
    /// The content of a raw JSON string, still escaped; `nil` if this is not one.
    fileprivate var unquoted: ByteBuffer? {
        guard readableBytes >= 2, getInteger(at: readerIndex, as: UInt8.self) == UInt8(ascii: "\"") else { return nil }
        return getSlice(at: readerIndex + 1, length: readableBytes - 2)
    }

    /// The content of a raw JSON string that needs no unescaping, as text.
    fileprivate var quoted: String? {
        unquoted.map { String(buffer: $0) }
    }
}
