import HypiWire

/// The tools that the model calls: all of one message at once, their results in the order of the calls.
extension Agent {
    func runTools(_ calls: [ToolCall]) async -> [JSON] {
        for call in calls {
            emit([
                "type": "tool_execution_start", "toolCallId": .string(call.id), "toolName": .string(call.name),
                "args": call.arguments,
            ])
        }
        var finished: [Int: ToolResult] = [:]
        var results: [JSON] = []
        await withTaskGroup(of: (Int, ToolResult).self) { group in
            for (index, call) in calls.enumerated() {
                group.addTask { (index, await self.execute(call)) }
            }
            for await (index, result) in group {
                finished[index] = result
                while let result = finished[results.count] {
                    results.append(report(calls[results.count], result))
                }
            }
        }
        return results
    }

    private func report(_ call: ToolCall, _ result: ToolResult) -> JSON {
        emit([
            "type": "tool_execution_end", "toolCallId": .string(call.id), "toolName": .string(call.name),
            "result": result.report, "isError": .bool(result.isError),
        ])
        let message = Message.toolResult(call, result)
        emit(["type": "message_start", "message": message])
        emit(["type": "message_end", "message": message])
        session.append(message: message)
        return message
    }

    private func execute(_ call: ToolCall) async -> ToolResult {
        if let byteCount = call.arguments["bytes"]?.int { return ToolResult(text: Conversation.prose(byteCount)) }
        var output = ShellOutput()
        let start = ContinuousClock.now
        do {
            let ending = try await Shell.run(call.arguments["command"]?.string ?? "") { bytes in
                output.append(bytes)
                showProgress(call, output)
            }
            var result = Self.result(output, ending)
            if wire >= .v1_0, case .exited(let code) = ending {
                // In this form the exit code says what empty details said before.
                result.details = output.details
                let seconds = Double((ContinuousClock.now - start) / .milliseconds(100)).rounded() / 10
                result.structured = [
                    "output": .string(output.text), "truncated": .bool(output.isTruncated), "exit_code": .int(code),
                    "wall_time_seconds": .double(seconds),
                ]
            }
            return result
        } catch {
            return ToolResult(text: "cannot start a shell: \(error)", details: [:], isError: true)
        }
    }

    private func showProgress(_ call: ToolCall, _ output: ShellOutput) {
        let partial = ToolResult(text: output.text, details: output.details ?? [:])
        emit([
            "type": "tool_execution_update", "toolCallId": .string(call.id), "toolName": .string(call.name),
            "args": call.arguments, "partialResult": partial.json,
        ])
    }

    /// The result in pi's words.
    private static func result(_ output: ShellOutput, _ ending: Shell.Ending) -> ToolResult {
        let text = output.text
        let failure: String
        switch ending {
        case .exited(0): return ToolResult(text: text.isEmpty ? "(no output)" : text, details: output.details)
        case .exited(let code): failure = "Command exited with code \(code)"
        case .signalled(let number): failure = "Command exited with code \(128 + number)"
        case .aborted: failure = "Command aborted"
        }
        let separator = text.isEmpty ? "" : "\n\n"
        return ToolResult(text: text + separator + failure, details: output.details ?? [:], isError: true)
    }
}

extension ShellOutput {
    /// Where the whole of a shortened output is.
    fileprivate var details: JSON? {
        fullOutputPath.map { ["fullOutputPath": .string($0)] }
    }
}
