import HypiWire

/// The client's own shell commands, beside the conversation and aborted apart from it.
extension Agent {
    /// Starts a `bash` command; its answer comes when it has ended.
    func startBash(_ command: Command) {
        let text = FieldFault.interpolated(command["command"])
        let number = (bashCommands.keys.max() ?? 0) + 1
        bashCommands[number] = start { agent in
            await agent.runBash(text, command)
            agent.bashCommands[number] = nil
        }
    }

    private func runBash(_ text: String, _ command: Command) async {
        var output = ShellOutput()
        var plain = PlainText()
        do {
            let ending = try await Shell.run(text) { bytes in
                let piece = plain.next(bytes)
                output.append(piece)
                sendProgress(piece, command)
            }
            let outcome = Self.outcome(output, ending)
            keep(Message.bashExecution(text, outcome), isExcluded: command["excludeFromContext"]?.bool == true)
            send(command.success(.object(outcome)))
        } catch {
            fail(command, "cannot start a shell: \(error)")
        }
    }

    private func sendProgress(_ piece: [UInt8], _ command: Command) {
        guard wire >= .v0_84, !piece.isEmpty else { return }
        var event: JSONObject = ["type": "bash_execution_update"]
        event["id"] = command.id
        event["delta"] = .string(String(decoding: piece, as: UTF8.self))
        send(.object(event))
    }

    private static func outcome(_ output: ShellOutput, _ ending: Shell.Ending) -> JSONObject {
        var outcome: JSONObject = ["output": .string(output.text)]
        switch ending {
        case .exited(let code): outcome["exitCode"] = .int(code)
        case .signalled(let number): outcome["exitCode"] = .int(128 + number)
        case .aborted: break
        }
        outcome["cancelled"] = .bool(ending == .aborted)
        outcome["truncated"] = .bool(output.isTruncated)
        outcome["fullOutputPath"] = output.fullOutputPath.map(JSON.string)
        return outcome
    }

    private func keep(_ message: JSON, isExcluded: Bool) {
        var message = message.object ?? [:]
        if isExcluded { message["excludeFromContext"] = true }
        if run == nil { session.append(message: .object(message)) } else { waitingBash.append(.object(message)) }
    }
}
