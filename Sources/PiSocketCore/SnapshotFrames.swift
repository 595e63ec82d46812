import HypiWire
import NIOCore
import PiAdapter

/// The frames with which a viewer begins: `init_state`, `welcome`, history pages.
///
/// They are put together from raw parts; the messages are never decoded.
enum SnapshotFrames {
    /// What goes with the messages.
    struct Context {
        var serverID: String
        var boot: String
        /// The number of the last frame before the stream begins.
        var seq: UInt64
        var state: PiState?
        var activity: Node.Activity
        /// Why a guard holds the agent back, if one does.
        var blocked: String?
        var commands: [JSON]
        var tools: [JSON]
        var pending: [DialogBook.Dialog]
        var inFlight: InFlight
        /// Whether the deltas that follow begin with the halves of characters.
        var holdsHalves = false
        var queued: Int
        /// The prompts that wait.
        var queue: [JSON]
    }

    /// `init_state` of the viewport dialect.
    static func initState(_ slice: MessagesSlice, context: Context) -> ByteBuffer {
        var frame = RawObject()
        frame.add("type", "init_state")
        frame.add("messages", raw: slice.array)
        frame.add("tools", .array(context.tools))
        if slice.oldestIndex > 0 {
            frame.add("truncated", true)
            frame.add("totalMessages", .int(slice.total))
        }
        frame.add("state", state(context))
        frame.add("commands", .array(context.commands))
        frame.add("pending", raw: array(context.pending.map(\.line)))
        frame.add("queue", .array(context.queue))
        return frame.finished
    }

    /// Records that bring a viewport viewer into the middle of an answer: the message so far, the running tools, the
    /// open dialogs, each as pi would have written it.
    static func catchUp(_ inFlight: InFlight, _ dialogs: [DialogBook.Dialog]) -> [ByteBuffer] {
        var lines: [ByteBuffer] = []
        if let partial = inFlight.partial {
            var start = RawObject()
            start.add("type", "message_start")
            start.add("message", raw: partial)
            lines.append(start.finished)
        }
        for tool in inFlight.runningTools {
            lines.append(tool.start)
            if let update = tool.update { lines.append(update) }
        }
        return lines + dialogs.map(\.line)
    }

    /// `welcome` of the session dialect.
    static func welcome(_ slice: MessagesSlice, resumed: Bool, context: Context) -> ByteBuffer {
        var frame = RawObject()
        frame.add("type", "welcome")
        frame.add("protocolVersion", .int(Version.sessionProtocol))
        frame.add("serverId", .string(context.serverID))
        frame.add("boot", .string(context.boot))
        frame.add("resumed", .bool(resumed))
        frame.add("currentSeq", .int(context.seq))
        frame.add("sessionState", state(context))
        frame.add("messages", raw: slice.array)
        if slice.oldestIndex > 0 {
            frame.add("truncated", true)
            frame.add("totalMessages", .int(slice.total))
        }
        if !resumed {
            let inFlight = context.inFlight
            let partial = context.holdsHalves ? inFlight.partialOfWholeCharacters : inFlight.partial
            if let partial { frame.add("partial", raw: partial) }
            let tools = context.inFlight.runningTools
            frame.add("runningTools", raw: array(tools.flatMap { [$0.start] + ($0.update.map { [$0] } ?? []) }))
        }
        frame.add("pending", raw: array(context.pending.map(\.line)))
        frame.add("queued", .int(context.queued))
        frame.add("queue", .array(context.queue))
        frame.add("commands", .array(context.commands))
        frame.add("tools", .array(context.tools))
        return frame.finished
    }

    /// `history_page`.
    static func historyPage(_ page: MessagesSlice) -> ByteBuffer {
        var frame = RawObject()
        frame.add("type", "history_page")
        frame.add("messages", raw: page.array)
        frame.add("hasMore", .bool(page.oldestIndex > 0))
        frame.add("oldestIndex", .int(page.oldestIndex))
        return frame.finished
    }

    /// pi's answer as a session viewer gets it.
    static func response(_ line: ByteBuffer, clientMessageID: String?) -> ByteBuffer {
        var frame = RawObject()
        frame.add("type", "response")
        frame.add("payload", raw: line)
        if let clientMessageID { frame.add("clientMessageId", .string(clientMessageID)) }
        return frame.finished
    }

    private static func state(_ context: Context) -> JSON {
        var state = context.state?.raw.object ?? [:]
        state["activity"] = .string(context.activity.rawValue)
        state["blocked"] = context.blocked.map(JSON.string)
        return .object(state)
    }

    private static func array(_ elements: [ByteBuffer]) -> ByteBuffer {
        var array = ByteBuffer(string: "[")
        for (index, element) in elements.enumerated() {
            if index > 0 { array.writeString(",") }
            array.writeImmutableBuffer(element)
        }
        array.writeString("]")
        return array
    }
}

/// An object that is put together from raw values.
private struct RawObject {
    private var buffer = ByteBuffer(string: "{")

    mutating func add(_ key: StaticString, raw value: ByteBuffer) {
        if buffer.readableBytes > 1 { buffer.writeString(",") }
        buffer.writeString("\"")
        buffer.writeStaticString(key)
        buffer.writeString("\":")
        buffer.writeImmutableBuffer(value)
    }

    mutating func add(_ key: StaticString, _ value: JSON) {
        add(key, raw: value.buffer)
    }

    var finished: ByteBuffer {
        var whole = buffer
        whole.writeString("}")
        return whole
    }
}
