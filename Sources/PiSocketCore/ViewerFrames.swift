import HypiNet
import HypiWire
import NIOCore
import PiAdapter

/// What viewers send: both dialects, told apart by the `type` of a JSON object; everything else is a prompt
/// (specs/protocol.md, section 3).
enum ViewerFrames {
    /// Takes one message.
    static func receive(_ message: Message, from viewer: Viewer, _ hub: SessionHub) {
        guard message.isText else { return viewer.close(.unsupportedData, "text only") }
        guard let object = (try? JSON(parsing: message.payload))?.object, let type = object["type"]?.string else {
            return receiveText(message.payload, from: viewer, hub)
        }
        if case .silent = viewer.dialect, type != "hello" {
            return fail(viewer, "INVALID_HELLO", "the first frame must be a hello")
        }
        switch type {
        case "hello": hello(object, viewer, hub)
        case "ping": viewer.send(["type": "pong"])
        case "fetch_history": hub.fetchHistory(viewer, before: object["before"]?.int, limit: object["limit"]?.int ?? 50)
        case "list_commands": hub.listCommands(viewer)
        case "list_files": hub.listFiles(viewer, prefix: object["prefix"]?.string ?? "")
        case "abort", "command", "attach_file", "extension_ui_response", "resume", "stop", "remove_queued":
            control(type, object, viewer, hub)
        default: receiveText(message.payload, from: viewer, hub)
        }
    }

    /// Frames that change something: not for observers.
    private static func control(_ type: String, _ object: JSONObject, _ viewer: Viewer, _ hub: SessionHub) {
        guard viewer.role == .controller else {
            let refusal: JSONObject = [
                "type": "response", "command": .string(object["payload"]?["type"]?.string ?? type), "success": false,
                "error": "observers cannot command",
            ]
            return answer(refusal, to: object, viewer)
        }
        switch type {
        case "abort": hub.command(PiCommand.abort, from: viewer, originalID: nil)
        case "command": command(object, viewer, hub)
        case "attach_file": attach(object, viewer)
        case "extension_ui_response": hub.answerDialog(object)
        case "resume": hub.resume()
        case "remove_queued": hub.removeQueued(object["id"]?.string ?? "", for: viewer)
        default: hub.requestStop(force: object["force"]?.bool ?? false)
        }
    }

    private static func receiveText(_ payload: ByteBuffer, from viewer: Viewer, _ hub: SessionHub) {
        let text = String(buffer: payload)
        guard text.contains(where: { !$0.isWhitespace }) else { return }
        if case .silent = viewer.dialect { return fail(viewer, "INVALID_HELLO", "the first frame must be a hello") }
        guard viewer.role == .controller else { return control("prompt", [:], viewer, hub) }
        if text == "/stop" { return hub.requestStop(force: false) }
        hub.command(prompt(text, viewer), from: viewer, originalID: nil)
    }

    // MARK: The session dialect

    private static func hello(_ object: JSONObject, _ viewer: Viewer, _ hub: SessionHub) {
        guard object["protocolVersion"]?.int == Version.sessionProtocol else {
            return fail(viewer, "INCOMPATIBLE_PROTOCOL", "this server speaks version \(Version.sessionProtocol)")
        }
        guard !viewer.isSession else { return fail(viewer, "INVALID_HELLO", "hello was said already") }
        guard object["clientId"]?.string?.isEmpty == false else {
            return fail(viewer, "INVALID_HELLO", "missing field 'clientId'")
        }
        viewer.clientID = object["clientId"]?.string ?? ""
        viewer.role = object["role"]?.string == "observer" ? .observer : .controller
        if let history = object["history"]?.int { viewer.historyByteLimit = max(0, history) }
        viewer.hearsOfViewers = object["viewers"]?.bool ?? false
        let shape: Shape = object["stream"]?.string == "delta" ? .sessionDelta : .sessionFull
        hub.leaveViewport(viewer)
        if let seq = object["lastSeq"]?.int, seq >= 0, hub.canResume(shape, boot: object["boot"]?.string, after: seq) {
            return hub.resume(viewer, shape, after: UInt64(clamping: seq))
        }
        viewer.dialect = .joining(shape)
        hub.join(viewer)
    }

    private static func command(_ object: JSONObject, _ viewer: Viewer, _ hub: SessionHub) {
        guard let payload = object["payload"]?.object, let type = payload["type"]?.string else {
            let refusal: JSONObject = [
                "type": "response", "command": "command", "success": false,
                "error": "field 'payload' must be a pi command with a 'type'",
            ]
            return answer(refusal, to: object, viewer)
        }
        if type == "extension_ui_response" { return hub.answerDialog(payload) }
        let tell = { (data: JSON) in
            let response: JSONObject = [
                "type": "response", "command": .string(type), "success": true, "data": data,
            ]
            answer(response, to: object, viewer)
        }
        if type == "get_sessions" { return hub.listSessions { tell(["sessions": .array($0)]) } }
        if type == "get_viewers" { return tell(["count": .int(hub.viewers.count)]) }
        hub.command(
            payload, from: viewer, originalID: payload["id"]?.buffer,
            clientMessageID: object["clientMessageId"]?.string)
    }

    /// Answers without asking pi, in the form an answer of pi would have.
    private static func answer(_ response: JSONObject, to object: JSONObject, _ viewer: Viewer) {
        var record = response
        if let id = object["payload"]?["id"] { record["id"] = id }
        guard viewer.isSession else { return viewer.send(record) }
        var frame: JSONObject = ["type": "response", "payload": .object(record)]
        frame["clientMessageId"] = object["clientMessageId"]
        viewer.send(frame)
    }

    private static func fail(_ viewer: Viewer, _ code: String, _ message: String) {
        viewer.send([
            "type": "error", "code": .string(code), "message": .string(message),
            "serverVersion": 1,
        ])
        viewer.close(.policyViolation, message)
    }

    // MARK: Prompts with files

    private static func prompt(_ text: String, _ viewer: Viewer) -> JSONObject {
        defer { viewer.attachments = [] }
        var text = text
        var images: [JSON] = []
        for attachment in viewer.attachments {
            if let content = attachment.text {
                text +=
                    "\n\n<file name=\"\(attachment.name.filter { $0 != "\"" && $0 != "\n" })\">\n\(content)\n</file>"
            } else {
                images.append([
                    "type": "image", "data": .string(attachment.base64), "mimeType": .string(attachment.mimeType),
                ])
            }
        }
        return PiCommand.prompt(text, images: images)
    }

    private static func attach(_ object: JSONObject, _ viewer: Viewer) {
        let name = object["filename"]?.string ?? ""
        let outcome = AttachmentReader.read(
            name: name, base64: object["content"]?.string, mimeType: object["mimeType"]?.string,
            heldBytes: viewer.attachments.reduce(0) { $0 + $1.base64.utf8.count + ($1.text?.utf8.count ?? 0) })
        var ack: JSONObject = ["type": "attach_file_ack", "filename": .string(name)]
        switch outcome {
        case .success(let attachment):
            viewer.attachments.append(attachment)
            ack["success"] = true
        case .failure(let fault):
            ack["success"] = false
            ack["error"] = .string(fault.message)
        }
        viewer.send(ack)
    }
}
