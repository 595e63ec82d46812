import HypiWire

/// The commands that leave a session for another, or write it out.
extension Agent {
    /// Performs such a command; `false` if the command is none.
    func manageSession(_ command: Command) async -> Bool {
        switch command.type?.string {
        case "new_session": await newSession(command)
        case "switch_session": await switchSession(command)
        case "fork": fork(command)
        case "clone": clone(command)
        case "export_html": exportHTML(command)
        default: return false
        }
        return true
    }

    private func newSession(_ command: Command) async {
        await abandonRun()
        let parent = command["parentSession"]?.string
        enter(session.path == nil ? Session(cwd: directory.cwd, path: nil) : directory.fresh(parent: parent))
        send(command.success(["cancelled": false]))
    }

    private func switchSession(_ command: Command) async {
        guard let path = command["sessionPath"]?.string else {
            let received = FieldFault.interpolated(command["sessionPath"])
            return fail(command, "The \"paths[0]\" argument must be of type string. Received \(received)")
        }
        await abandonRun()
        do {
            enter(try directory.load(path))
            (model, thinking) = session.settings
            send(command.success(["cancelled": false]))
        } catch {
            fail(command, "\(error)")
        }
    }

    private func fork(_ command: Command) {
        let path = session.branch
        let index = path.firstIndex { $0["id"] == command["entryId"] && $0["message"].map(Message.role) == "user" }
        guard let index, command["entryId"] != nil, let message = path[index]["message"] else {
            return fail(command, "Invalid entry ID for forking")
        }
        var forked =
            session.path == nil ? Session(cwd: directory.cwd, path: nil) : directory.fresh(parent: session.path)
        forked.adopt(Array(path[..<index]))
        // A run goes on in the fork, as in pi; the queues stay.
        session = forked
        Self.begin(&session, model, thinking)
        send(command.success(["text": .string(Message.plainText(message)), "cancelled": false]))
    }

    /// Continues in a copy of the session.
    private func clone(_ command: Command) {
        var copy = session.path == nil ? Session(cwd: directory.cwd, path: nil) : directory.fresh(parent: session.path)
        copy.adopt(session.branch)
        session = copy
        send(command.success(["cancelled": false]))
    }

    private func enter(_ other: Session) {
        session = other
        let wasEmpty = steering.waiting.isEmpty && followUps.waiting.isEmpty
        steering.removeAll()
        followUps.removeAll()
        if !wasEmpty { emitQueue() }
        Self.begin(&session, model, thinking)
    }

    private func exportHTML(_ command: Command) {
        let name = session.path?.split(separator: "/").last?.dropLast(".jsonl".count) ?? session.id[...]
        let path = command["outputPath"]?.string ?? "pi-session-\(name).html"
        do {
            try System.replace(path, with: Array(HTMLExport(session).document.utf8))
            send(command.success(["path": .string(path)]))
        } catch {
            fail(command, "cannot write \(path): \(error)")
        }
    }
}

/// A session as one plain HTML page.
struct HTMLExport {
    let document: String

    init(_ session: Session) {
        let title = Self.escape(session.name ?? "Session \(session.id)")
        let messages = session.context.map { message in
            let text = message["summary"]?.string ?? message["output"]?.string ?? Message.plainText(message)
            return "<h2>\(Self.escape(Message.role(message)))</h2>\n<pre>\(Self.escape(text))</pre>\n"
        }
        document = """
            <!DOCTYPE html>
            <html lang="en">
            <meta charset="utf-8">
            <title>\(title)</title>
            <h1>\(title)</h1>
            \(messages.joined())</html>

            """
    }

    private static func escape(_ text: String) -> String {
        text.reduce(into: "") { escaped, character in
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
    }
}
