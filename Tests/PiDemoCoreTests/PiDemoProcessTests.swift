import Foundation
import HypiWire
import Testing

/// How `pi-demo` starts, keeps its conversation and ends.
@Suite("pi-demo as a process", .serialized)
struct PiDemoProcessTests {
    private func lastText(_ records: [JSON]) -> String {
        let message = records.last { $0["type"] == "message_end" && $0["message"]?["role"] == "assistant" }?["message"]
        return (message?["content"]?.array ?? []).compactMap { $0["text"]?.string }.joined()
    }

    @Test("updates are deltas that add up to the message")
    func deltas() throws {
        let demo = try DemoProcess()
        let records = try demo.prompt("hello world")
        let updates = records.filter { $0["type"] == "message_update" }
        #expect(updates.allSatisfy { $0.object?.members.map(\.key) == ["type", "usage", "assistantMessageEvent"] })
        let deltas = updates.compactMap { $0["assistantMessageEvent"] }.filter { $0["type"] == "text_delta" }
        #expect(deltas.compactMap { $0["delta"]?.string }.joined() == lastText(records))
        #expect(lastText(records).contains("> hello world"))
        #expect(records.suffix(2).map { $0["type"] } == ["agent_end", "agent_settled"])
        #expect(records[records.count - 2]["willRetry"] == false)
    }

    @Test("a tool call starts with its id and name, and really runs")
    func tool() throws {
        let demo = try DemoProcess()
        let records = try demo.prompt("!echo $((6*7)) > made; cat made")
        let start = records.compactMap { $0["assistantMessageEvent"] }.first { $0["type"] == "toolcall_start" }
        #expect(start?.object?.members.map(\.key) == ["type", "contentIndex", "id", "toolName"])
        let end = records.first { $0["type"] == "tool_execution_end" }
        #expect(end?["result"]?["content"]?[0]?["text"] == "42\n")
        #expect(try String(contentsOf: demo.home.appendingPathComponent("made"), encoding: .utf8) == "42\n")
    }

    @Test("statistics are the sums of the messages' usage")
    func sums() throws {
        let demo = try DemoProcess()
        for prompt in ["one", "!echo two", "/error", "/retry 1"] { _ = try demo.prompt(prompt) }
        let entries = try demo.ask(["type": "get_entries"])["data"]?["entries"]?.array ?? []
        let stats = try demo.ask(["type": "get_session_stats"])["data"]
        let usages = entries.compactMap { $0["message"]?["usage"] }
        #expect(usages.count == 6)
        for key in ["input", "output", "cacheRead", "cacheWrite"] {
            #expect(stats?["tokens"]?[key]?.int == usages.compactMap { $0[key]?.int }.reduce(0, +))
        }
        #expect(stats?["tokens"]?["total"]?.int == usages.compactMap { $0["totalTokens"]?.int }.reduce(0, +))
        let cost = usages.compactMap { $0["cost"]?["total"]?.double }.reduce(0, +)
        #expect(cost > 0)
        #expect(stats?["cost"]?.double == cost)
        #expect((stats?["contextUsage"]?["tokens"]?.int ?? 0) > 0)
    }

    @Test("a session outlives the process and is resumed by --continue, by file and by id")
    func resume() throws {
        let first = try DemoProcess(["--name", "my work"])
        _ = try first.prompt("remember the milk")
        let state = try first.ask(["type": "get_state"])["data"]
        kill(first.pid, SIGKILL)
        #expect(try first.status() == -SIGKILL)
        let file = try #require(state?["sessionFile"]?.string)
        let id = try #require(state?["sessionId"]?.string)
        #expect(file.hasPrefix("\(first.home.path)/.pi-demo/agent/sessions/--"))
        for arguments in [["--continue"], ["--session", file], ["--session", String(id.prefix(8))]] {
            let demo = try DemoProcess(arguments, home: first.ownHome)
            let answer = try demo.prompt("what did I say first?")
            #expect(lastText(answer).contains("> remember the milk"))
            #expect(try demo.ask(["type": "get_state"])["data"]?["sessionName"] == "my work")
            demo.closeInput()
            #expect(try demo.status() == 0)
        }
    }

    @Test("the file appears with the first answer; a line torn by a crash is skipped")
    func tornLine() throws {
        let first = try DemoProcess()
        let path = try #require(try first.ask(["type": "get_state"])["data"]?["sessionFile"]?.string)
        #expect(!FileManager.default.fileExists(atPath: path))
        _ = try first.prompt("one")
        first.closeInput()
        #expect(try first.status() == 0)
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(#"{"type":"message","id":"0000"#.utf8))
        try handle.close()
        let second = try DemoProcess(["-c"], home: first.ownHome)
        _ = try second.prompt("two")
        let entries = try second.ask(["type": "get_entries"])["data"]?["entries"]?.array ?? []
        second.closeInput()
        #expect(try second.status() == 0)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        let saved = lines.dropFirst().compactMap { try? JSON(parsing: String($0)) }
        #expect(saved == entries)
        #expect(lines.count == saved.count + 2)
        for (entry, parent) in zip(saved.dropFirst(), saved) { #expect(entry["parentId"] == parent["id"]) }
    }

    @Test("--session with a path that does not exist begins there; --no-session leaves nothing")
    func paths() throws {
        let here = try DemoProcess(["--session", "deep/er/mine.jsonl"])
        _ = try here.prompt("hi")
        #expect(FileManager.default.fileExists(atPath: here.home.appendingPathComponent("deep/er/mine.jsonl").path))
        let none = try DemoProcess(["--no-session"])
        _ = try none.prompt("hi")
        #expect(try none.ask(["type": "get_state"])["data"]?["sessionFile"] == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: none.home.path).isEmpty)
        let missing = try DemoProcess(["--session", "feedbeef"])
        #expect(try missing.status() == 1)
        #expect(missing.errorText == "pi-demo: no session found matching 'feedbeef'")
    }

    @Test("fork, new and switched sessions keep apart what was said")
    func sessions() throws {
        let demo = try DemoProcess()
        for prompt in ["one", "two"] { _ = try demo.prompt(prompt) }
        let first = try #require(try demo.ask(["type": "get_state"])["data"]?["sessionFile"])
        let forks = try demo.ask(["type": "get_fork_messages"])["data"]?["messages"]?.array ?? []
        #expect(forks.map { $0["text"] } == ["one", "two"])
        let fork = try demo.ask(["type": "fork", "entryId": forks[1]["entryId"] ?? ""])
        #expect(fork["data"] == ["text": "two", "cancelled": false])
        #expect(try demo.ask(["type": "get_messages"])["data"]?["messages"]?.array?.count == 2)
        _ = try demo.ask(["type": "new_session"])
        #expect(try demo.ask(["type": "get_messages"])["data"]?["messages"] == [])
        _ = try demo.ask(["type": "switch_session", "sessionPath": first])
        #expect(try demo.ask(["type": "get_messages"])["data"]?["messages"]?.array?.count == 4)
    }

    @Test("a compaction is announced, and the conversation is still known")
    func compaction() throws {
        let demo = try DemoProcess()
        for prompt in ["one", "two"] { _ = try demo.prompt(prompt) }
        demo.send(["id": "c", "type": "compact"])
        let records = try demo.records { DemoProcess.isResponse($0, "c") }
        #expect(sequence(records) == ["compaction_start", "compaction_end", "response compact true"])
        #expect(records.last?["data"] == records[1]["result"])
        let roles = try demo.ask(["type": "get_messages"])["data"]?["messages"]?.array?.map { $0["role"] }
        #expect(roles == ["compactionSummary", "user", "assistant"])
        #expect(try demo.ask(["type": "get_session_stats"])["data"]?["contextUsage"]?["tokens"] == .null)
        #expect(try demo.ask(["type": "compact"])["error"] == "Already compacted")
        #expect(lastText(try demo.prompt("what did I say first?")).contains("> one"))
    }

    @Test("a bash command streams with its id, strips control sequences, and is aborted apart")
    func bash() throws {
        let demo = try DemoProcess()
        demo.send([
            "id": [7], "type": "bash",
            "command": #"printf 'a\033[31mb\r\n'; sleep 0.2; printf '\342\202'; sleep 0.2; printf '\254'"#,
        ])
        let records = try demo.records { $0["type"] == "response" }
        let updates = records.filter { $0["type"] == "bash_execution_update" }
        #expect(updates.allSatisfy { $0["id"] == [7] })
        #expect(updates.compactMap { $0["delta"]?.string } == ["ab\n", "€"])
        #expect(records.last?["data"] == ["output": "ab\n€", "exitCode": 0, "cancelled": false, "truncated": false])
        demo.send(["id": "s", "type": "bash", "command": "sleep 60"])
        _ = try demo.ask(["type": "abort"])
        demo.send(["id": "x", "type": "abort_bash"])
        let end = try demo.records { DemoProcess.isResponse($0, "s") }.last
        #expect(end?["data"] == ["output": "", "cancelled": true, "truncated": false])
    }

    @Test("a long output is cut as pi cuts it, and kept whole in a file")
    func truncation() throws {
        let demo = try DemoProcess()
        let data = try demo.ask(["type": "bash", "command": "seq 1 5000"])["data"]
        #expect(data?["truncated"] == true)
        #expect(data?["output"]?.string?.hasPrefix("3002\n") == true)
        let path = try #require(data?["fullOutputPath"]?.string)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 5000)
        try FileManager.default.removeItem(atPath: path)
    }

    @Test("a command gets its signals as from a shell", arguments: ["TERM", "PIPE", "INT"])
    func signals(name: String) throws {
        let demo = try DemoProcess()
        let data = try demo.ask(["type": "bash", "command": .string("kill -\(name) $$; echo survived")])["data"]
        #expect(data?["output"] == "")
        #expect((data?["exitCode"]?.int ?? 0) > 128)
    }

    @Test("what a shell leaves in the background holds up nothing")
    func background() throws {
        let demo = try DemoProcess()
        let data = try demo.ask(["type": "bash", "command": "sleep 60 & echo $!"])["data"]
        #expect(data?["exitCode"] == 0)
        let pid = try #require(data?["output"]?.string.flatMap { Int32($0.dropLast()) })
        #expect(kill(pid, SIGKILL) == 0)
    }

    @Test("the queue is announced at every change, and clear_queue empties it")
    func queue() throws {
        let demo = try DemoProcess(["--thinking", "off"], rate: 100)
        demo.send(["id": "p", "type": "prompt", "message": "/hang"])
        try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "r", "type": "prompt", "message": "refused"])
        demo.send(["id": "f", "type": "follow_up", "message": "later"])
        demo.send(["id": "s", "type": "prompt", "message": "now", "streamingBehavior": "steer"])
        demo.send(["id": "c", "type": "clear_queue"])
        let records = try demo.records { DemoProcess.isResponse($0, "c") }.filter { $0["type"] != "message_update" }
        #expect(records.filter { $0["id"] == "r" }.map { $0["success"] } == [false])
        #expect(
            records.filter { $0["type"] == "queue_update" } == [
                ["type": "queue_update", "steering": [], "followUp": ["later"]],
                ["type": "queue_update", "steering": ["now"], "followUp": ["later"]],
                ["type": "queue_update", "steering": [], "followUp": []],
            ])
        #expect(records.last?["data"] == ["steering": ["now"], "followUp": ["later"]])
        #expect(try demo.ask(["type": "abort"])["success"] == true)
        #expect(try demo.ask(["type": "get_state"])["data"]?["isStreaming"] == false)
    }

    @Test("an abort goes on with what is queued")
    func abortWithQueue() throws {
        let demo = try DemoProcess(["--thinking", "off"])
        demo.send(["id": "p", "type": "prompt", "message": "/hang"])
        try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "f", "type": "follow_up", "message": "later"])
        demo.send(["id": "s", "type": "steer", "message": "now"])
        demo.send(["id": "a", "type": "abort"])
        let records = try demo.records { DemoProcess.isResponse($0, "a") }
        let users = records.filter { $0["type"] == "message_end" && $0["message"]?["role"] == "user" }
        #expect(users.compactMap { $0["message"]?["content"]?[0]?["text"] } == ["now", "later"])
        #expect(records.filter { $0["type"] == "agent_settled" }.count == 1)
    }
}
