import HypiWire
import NIOCore
import PiAdapter

/// Prompts that are taken back or refused, and what another session or another pi means for those that wait.
extension CommandRouter {
    /// Prompts that have not been written yet are not to be: a guard has stopped the agent, or it ends.
    mutating func refuseWaiting(_ error: String) -> [Action] {
        let steering = urgent.filter(\.isPrompt)
        urgent.removeAll(where: \.isPrompt)
        return steering.flatMap { refuse($0.asker, $0.type, error) } + remove(error) { _ in true }
    }

    /// Takes a waiting prompt back.
    ///
    /// - Returns: The command as its sender wrote it, and what is to be done; `nil` if no such prompt waits.
    mutating func remove(id: String) -> (command: JSONObject, actions: [Action])? {
        guard let entry = queue.entries.first(where: { $0.id == id }) else { return nil }
        return (entry.command, takeBack { $0.id == id })
    }

    private mutating func takeBack(where fits: (PromptQueue.Entry) -> Bool) -> [Action] {
        remove("the prompt was taken back before its turn", as: "taken", where: fits)
    }

    private mutating func remove(
        _ error: String, as disposition: String = "removed", where fits: (PromptQueue.Entry) -> Bool
    ) -> [Action] {
        let removed = queue.remove(where: fits)
        guard !removed.isEmpty else { return [] }
        var actions = removed.map { entry -> Action in
            guard entry.isAnnounced else {
                return .refuse(memory.forget(entry.asker), command: entry.type, error: error)
            }
            let data: JSON = ["disposition": .string(disposition), "queueId": .string(entry.id)]
            let answer = memory.answered(entry.asker, PiCommand.refusal(of: entry.type, error, data: data))
            return .deliver(answer.asker, answer.line)
        }
        let ids = removed.filter(\.isAnnounced).map(\.id)
        if !ids.isEmpty { actions.insert(.queueChanged(.removed(ids: ids, reason: error)), at: 0) }
        return actions
    }

    /// `clear_queue` takes back what waits here too, whether or not pi knows the command.
    mutating func clearQueue(_ command: JSONObject, _ type: String, _ asker: Asker) -> [Action] {
        let texts = queue.entries.map { $0.command["message"]?.string ?? "" }
        let actions = takeBack { _ in true }
        let written = send(command, type, asker)
        clearing[ledger.lastID] = texts
        return actions + written
    }

    // MARK: Sessions

    /// pi's answer to `clear_queue`, with the prompts that waited here.
    mutating func completed(_ line: ByteBuffer, of id: String, success: Bool) -> ByteBuffer {
        guard let texts = clearing.removeValue(forKey: id) else { return line }
        let data = success ? line.value(of: "data").flatMap { try? JSON(parsing: $0) } : nil
        let followUps = (data?["followUp"]?.array ?? []) + texts.map(JSON.string)
        return PiCommand.answer(
            to: "clear_queue", ["steering": data?["steering"] ?? [], "followUp": .array(followUps)])
    }

    /// pi has answered a command that replaces the conversation.
    mutating func replaced(_ id: String, _ type: String, _ response: PiResponse) -> [Action] {
        guard let number = replacing.removeValue(forKey: id), response.success, PiCommand.changesSession(type) else {
            return []
        }
        let data = response.data.flatMap { try? JSON(parsing: $0) }
        guard data?["cancelled"]?.bool != true else { return [] }
        return remove("the agent went to another session before its turn") { $0.number <= number }
    }

    /// pi is gone: who waits for its answer is told so, and nothing is sent again.
    ///
    /// - Parameter isRestarting: Whether another pi follows: prompts that were not written wait for it.
    /// - Returns: What is to be done, in order.
    mutating func piExited(isRestarting: Bool = false) -> [Action] {
        var actions = remember(gate.piExited())
        replacing = [:]
        clearing = [:]
        let aborts = urgent.filter { !$0.isPrompt }
        urgent.removeAll { !$0.isPrompt }
        for (type, asker) in ledger.removeAll() {
            // pi may have done it: a repeat is answered the same and not done again.
            let answer = memory.answered(asker, PiCommand.refusal(of: type, "pi exited before it answered"))
            actions.append(.deliver(answer.asker, answer.line))
        }
        let error = "pi exited before it was asked"
        actions += aborts.flatMap { refuse($0.asker, $0.type, error) }
        return isRestarting ? actions : actions + refuseWaiting(error)
    }
}
