import HypiTestSupport
import HypiWire
import NIOCore

/// pi's records, taken from its stdout and from what a session viewer got, to compare one with the other.
enum RecordStream {
    /// What pi wrote from the first snapshot on, but for answers to commands.
    static func written(_ lines: [ByteBuffer]) -> [ByteBuffer] {
        let isSnapshot: (ByteBuffer) -> Bool = { line in
            let json = try? JSON(parsing: line)
            return json?["type"] == "response" && json?["command"] == "get_messages"
        }
        guard let snapshot = lines.firstIndex(where: isSnapshot) else { return [] }
        return lines[snapshot...].filter { (try? JSON(parsing: $0))?["type"] != "response" }
    }

    /// What a session viewer got of pi.
    static func received(_ frames: Viewer.Frames) -> [ByteBuffer] {
        frames.all.compactMap { frame in
            guard let json = try? JSON(parsing: frame), let seq = json["seq"]?.int else { return nil }
            let text = String(buffer: frame)
            if json["type"] == "event", let start = text.firstRange(of: "\"payload\":") {
                return ByteBuffer(string: String(text[start.upperBound...].dropLast()))
            }
            guard json["type"] == "extension_ui_request", let start = text.firstRange(of: "{\"seq\":\(seq),") else {
                return nil
            }
            return ByteBuffer(string: "{" + text[start.upperBound...])
        }
    }

    /// A record as the delta stream has it; `nil` for an update of a tool, of which that stream leaves some out.
    static func deltaForm(_ record: ByteBuffer) -> ByteBuffer? {
        guard var update = (try? JSON(parsing: record))?.object else { return record }
        if update["type"] == "tool_execution_update" { return nil }
        guard update["type"] == "message_update" else { return record }
        update["message"] = nil
        var event = update["assistantMessageEvent"]?.object
        event?["partial"] = nil
        update["assistantMessageEvent"] = event.map(JSON.object)
        return JSON.object(update).buffer
    }

    /// Where two streams differ, in words; `nil` if they do not.
    static func difference(_ written: [ByteBuffer], _ received: [ByteBuffer]) -> String? {
        for (index, pair) in zip(written, received).enumerated() where pair.0 != pair.1 {
            return "record \(index): pi wrote \(String(buffer: pair.0).prefix(300)), "
                + "the viewer got \(String(buffer: pair.1).prefix(300))"
        }
        guard written.count != received.count else { return nil }
        let rest = (written.count > received.count ? written : received)[min(written.count, received.count)...]
        return "pi wrote \(written.count) records, the viewer got \(received.count); the first of the rest: "
            + (rest.first.map { String(String(buffer: $0).prefix(300)) } ?? "")
    }
}
