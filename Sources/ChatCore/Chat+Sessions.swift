import HypiWire
import PiAdapter

/// Going to another session, or back in this one.
extension Chat {
    func sessions(_ path: String) {
        guard path.isEmpty else { return switchSession(path) }
        guard isFree(for: "/sessions") else { return }
        send(["type": "get_sessions"]) { chat, response in
            chat.changed()
            guard response["success"]?.bool == true else {
                return chat.transcript.warn("this agent's pi-socket cannot list sessions (/sessions FILE goes to one)")
            }
            chat.took(sessions: response["data"]?["sessions"]?.array ?? [])
        }
    }

    private func switchSession(_ path: String) {
        change("/sessions", ["type": "switch_session", "sessionPath": .string(path)], "session: \(path)")
    }

    /// The sessions of the agent's folder, newest first.
    private func took(sessions: [JSON]) {
        let items = sessions.compactMap { session -> Picker.Item? in
            guard let path = session["path"]?.string else { return nil }
            let file = path.split(separator: "/").last.map(String.init) ?? path
            let about = session["name"]?.string ?? session["first"]?.string ?? "(empty)"
            let age = session["age"]?.int.map { ToolLine.duration(.seconds($0)) + " ago" }
            let mark = session["current"]?.bool == true ? "this one" : nil
            let text = [about, mark, age, file].compactMap { $0 }.joined(separator: " · ")
            return Picker.Item(label: text, value: path)
        }
        guard !items.isEmpty else { return transcript.note("there are no other sessions (/sessions FILE goes to one)") }
        pick(Picker(title: "session", items: items)) { chat, item in chat.switchSession(item.value) }
    }

    // MARK: Back in this session

    func fork() {
        guard isFree(for: "/fork") else { return }
        send(["type": "get_fork_messages"]) { chat, response in
            chat.complain(response)
            let messages = response["data"]?["messages"]?.array ?? []
            chat.pickFork(
                messages.compactMap { message in
                    guard let id = message["entryId"]?.string else { return nil }
                    return Picker.Item(label: Self.line(message["text"]?.string ?? ""), value: id)
                }, from: response)
        }
    }

    /// pi tells its tree in nested objects, one level for each entry; a list is told since the same version.
    func tree() {
        guard isFree(for: "/tree") else { return }
        send(["type": "get_entries"]) { chat, response in
            chat.complain(response)
            let tree = SessionTree(
                entries: response["data"]?["entries"]?.array ?? [], leaf: response["data"]?["leafId"]?.string)
            chat.pickFork(
                tree.prompts.map { prompt in
                    let indent = String(repeating: "  ", count: prompt.depth)
                    return Picker.Item(
                        label: indent + (prompt.isCurrent ? "• " : "  ") + Self.line(prompt.text), value: prompt.id)
                }, from: response)
        }
    }

    private func pickFork(_ items: [Picker.Item], from response: JSON) {
        changed()
        guard response["success"]?.bool == true else { return }
        guard !items.isEmpty else { return transcript.note("there is no prompt to go back to") }
        pick(Picker(title: "go back to before this prompt", items: items, marked: items.count - 1)) { chat, item in
            chat.send(["type": "fork", "entryId": .string(item.value)]) { chat, response in
                chat.complain(response)
                guard response["success"]?.bool == true, response["data"]?["cancelled"]?.bool != true else { return }
                chat.transcript.note("a new session that ends before that prompt; its text is in the line")
                chat.draft = response["data"]?["text"]?.string ?? ""
                chat.changed()
            }
        }
    }

    func clone() {
        guard isFree(for: "/clone") else { return }
        tell(["type": "clone"], "the conversation continues in a copy of the session")
    }

    private static func line(_ text: String) -> String {
        String(text.prefix(200)).withoutControlCharacters
    }
}
