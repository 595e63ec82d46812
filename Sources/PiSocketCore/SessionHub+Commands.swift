import HypiWire
import Logging
import NIOCore
import PiAdapter

/// What viewers want.
extension SessionHub {
    /// A command for pi.
    func command(_ command: JSONObject, from viewer: Viewer, originalID: ByteBuffer?, clientMessageID: String? = nil) {
        let asker = CommandRouter.Asker(
            viewer: viewer.id, clientID: viewer.clientID, originalID: originalID, clientMessageID: clientMessageID,
            takesUsForPi: viewer.shape == .lines)
        let refusal = refusal(of: command["type"]?.string ?? "")
        perform(
            router.submit(
                command, from: asker, pi: condition, isOfExtension: isOfExtension(command), refusal: refusal))
        finishStep()
    }

    /// Whether a prompt is a command of an extension, as far as pi has told its commands: pi carries it out at once, even
    /// while it works.
    private func isOfExtension(_ command: JSONObject) -> Bool {
        guard let text = command["message"]?.string, text.hasPrefix("/") else { return false }
        let name = text.dropFirst().prefix { !$0.isWhitespace }
        return commands.contains { $0["source"] == "extension" && $0["name"]?.string.map { $0 == name } == true }
    }

    private func refusal(of type: String) -> String? {
        guard pi != nil else { return "pi is not running" }
        guard PiCommand.startsWork(type) else { return nil }
        if isStopping { return "the agent is stopping" }
        return blocked.map(Self.blockedError)
    }

    /// A line that is no command, from a program that takes us for pi: pi itself says what is wrong with it.
    func passOn(_ line: ByteBuffer) {
        pi?.write(line: line)
    }

    /// The slash commands pi has, as the viewport dialect lists them.
    func listCommands(_ viewer: Viewer) {
        let list = commands.compactMap { command -> JSON? in
            guard let name = command["name"]?.string else { return nil }
            return ["name": .string("/" + name), "description": command["description"] ?? ""]
        }
        viewer.send(["type": "commands_list", "commands": .array(list)])
    }

    /// Files for completion; the folder is read off the loop.
    func listFiles(_ viewer: Viewer, prefix: String) {
        let lister = lister
        delegate.runBlocking({ lister.list(prefix: prefix) }) { entries in
            let files = entries.map { JSON.object(["path": .string($0.path), "isDirectory": .bool($0.isDirectory)]) }
            viewer.send(["type": "files_list", "files": .array(files), "cwd": .string(lister.root)])
        }
    }

    /// Lists the sessions beside the one in use; none for a conversation that is kept nowhere.
    func listSessions(_ take: @escaping ([JSON]) -> Void) {
        guard let file = state?.sessionFile else { return take([]) }
        let lister = SessionLister(current: file)
        delegate.runBlocking({ lister.list() }, then: take)
    }

    /// A person wants the agent to end.
    func requestStop(force: Bool) {
        delegate.hub(stopRequested: force)
    }

    /// No new prompts from here on.
    func beginStopping() {
        isStopping = true
        perform(router.refuseWaiting("the agent is stopping"))
        finishStep()
    }

    // MARK: Dialogs

    /// The answer to a dialog: the first one counts.
    func answerDialog(_ answer: JSONObject) {
        guard let id = answer["id"], dialogs.close(id) else { return }
        pi?.write(line: JSON.object(answer).buffer)
        resolved(id)
    }

    func opened(_ record: PiRecord) {
        guard let dialog = dialogs.opened(record) else { return }
        if !tracker.hasAnswered {
            logger.warning("an extension asks something, and pi takes no answer while it starts")
        }
        tracker.setOpenDialogs(dialogs.open.count)
        happened(.inputRequired(dialog.line))
        if let timeout = dialog.timeout {
            // pi takes the default by itself then, and says nothing.
            let timer = eventLoop.assumeIsolated().scheduleTask(in: timeout) {
                if self.dialogs.close(dialog.id) { self.resolved(dialog.id) }
            }
            dialogs.setPiTimer(timer, of: dialog.id)
        }
        scheduleDialogTimeouts()
    }

    private func resolved(_ id: JSON) {
        tracker.setOpenDialogs(dialogs.open.count)
        broadcast.append(["type": "extension_ui_resolved", "id": id])
        watchSettling()
        finishStep()
    }

    /// With `--ui-timeout`, a dialog that nobody is there to answer is cancelled.
    func scheduleDialogTimeouts() {
        guard let uiTimeout, viewers.isEmpty else { return }
        for id in dialogs.idsWithoutTimer {
            let timer = eventLoop.assumeIsolated().scheduleTask(in: uiTimeout) {
                self.answerDialog(["type": "extension_ui_response", "id": id, "cancelled": true])
            }
            dialogs.setTimer(timer, of: id)
        }
    }
}
