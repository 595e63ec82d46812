import HypiWire

/// The slash commands that work as pi's extension commands do: beside the conversation, even during a run.
extension Agent {
    /// Performs a command that needs no model; `false` if it is a turn of the agent.
    func performAtOnce(_ order: SlashCommand, _ command: Command) -> Bool {
        switch order {
        case .turn: return false
        case .ask(let kinds, let timeout, let keepsAnswers):
            ask(kinds, timeout, keepsAnswers, command)
        case .notify(let text):
            notify(text)
            accept(command, .handled)
        case .noise:
            write(Array("pi-demo: a line that is not JSON\n".utf8))
            accept(command, .handled)
        case .crash:
            accept(command, .handled)
            crash()
        }
        return true
    }

    private func ask(_ kinds: [Dialog.Kind], _ timeout: Int?, _ keepsAnswers: Bool, _ command: Command) {
        let first = open(kinds[0], timeout)
        // pi answers after the first request, not after the last answer.
        accept(command, .handled)
        start { agent in
            var reports: [String] = []
            for (index, kind) in kinds.enumerated() {
                let (id, answers) = index == 0 ? first : agent.open(kind, timeout)
                var response: JSON?
                for await answer in answers { response = answer }
                let hasTimedOut = agent.dialogs.removeValue(forKey: id)?.timer != nil && response == nil
                // The input ended with the dialog open: the command is dropped, as in pi.
                if agent.inputHasEnded, response == nil, !hasTimedOut { return }
                let report = Dialog.report(kind, Dialog.value(kind, of: response))
                reports.append(report)
                agent.notify(report, type: kind == .confirm ? "warning" : "info")
            }
            if keepsAnswers { agent.keep(reports) }
        }
    }

    private func open(_ kind: Dialog.Kind, _ timeout: Int?) -> (id: String, answers: AsyncStream<JSON>) {
        let id = Identifier.uuid()
        // One answer counts; the stream ends with it.
        let (stream, answers) = AsyncStream.makeStream(of: JSON.self, bufferingPolicy: .bufferingOldest(1))
        var dialog = Dialog(answers: answers)
        if let timeout, kind != .editor {
            dialog.timer = start { _ in
                guard (try? await Task.sleep(for: .milliseconds(timeout))) != nil else { return }
                answers.finish()
            }
        }
        dialogs[id] = dialog
        send(Dialog.request(kind, id: id, timeoutMilliseconds: timeout))
        return (id, stream)
    }

    /// Takes an answer to a dialog; one to a dialog that is not open is ignored, as in pi.
    func takeAnswer(_ command: Command) {
        guard let dialog = command.id?.string.flatMap({ dialogs[$0] }) else { return }
        dialog.answers.yield(command.fields)
        dialog.answers.finish()
        dialog.timer?.cancel()
    }

    private func notify(_ text: String, type: String = "info") {
        send([
            "type": "extension_ui_request", "id": .string(Identifier.uuid()), "method": "notify",
            "message": .string(text), "notifyType": .string(type),
        ])
    }

    private func keep(_ reports: [String]) {
        let message = Message.custom(reports.joined(separator: "\n"), details: ["answers": .int(reports.count)])
        send(["type": "message_start", "message": message])
        send(["type": "message_end", "message": message])
        session.append(message: message)
    }

    private func crash() -> Never {
        System.diagnose(
            """
            crash

            Error: crash on request
                at Agent.crash (pi-demo/ExtensionCommands.swift)
                at Agent.performAtOnce (pi-demo/ExtensionCommands.swift)
                at Agent.receive (pi-demo/CommandRouter.swift)
            """)
        System.exitNow(1)
    }
}
