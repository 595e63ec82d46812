import Foundation
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite("hypi-attach in scripts", .timeLimit(.minutes(2 * Effort.patience)))
struct HypiAttachTests {
    /// Starts an agent and runs hypi-attach beside it.
    private func with(
        _ environment: [String: String] = [:], _ body: (Fixture, WebSocketURL) async throws -> Void
    ) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(
            cwd: try fixture.makeFolder("project"), environment: environment)
        defer { agent.process.signal(SIGTERM) }
        try await body(fixture, agent.url)
    }

    @Test("-p prints the answer, as text and nothing else, and exits 0")
    func prompt() async throws {
        try await with { fixture, url in
            let result = try await fixture.run("hypi-attach", ["-p", "hello", "\(url)"])
            #expect(result.exit == .status(0))
            #expect(result.output.hasPrefix("You said:\n\n> hello\n"))
            #expect(result.output.hasSuffix("\n") && !result.output.hasSuffix("\n\n"))
            #expect(result.errors.isEmpty)
        }
    }

    @Test("text on standard input is the prompt, and the agent remembers it")
    func standardInput() async throws {
        try await with { fixture, url in
            let first = try await fixture.run("hypi-attach", ["\(url)"], input: "from a pipe\n")
            #expect(first.output.contains("> from a pipe\n"))
            let second = try await fixture.run("hypi-attach", ["-p", "again", "\(url)"])
            #expect(second.output.contains("from a pipe"))
            let last = try await fixture.run("hypi-attach", ["--last", "\(url)"])
            #expect(last.output == second.output)
        }
    }

    @Test("the answer streams: its beginning is there long before its end")
    func streams() async throws {
        try await with(["HYPI_PI": Fixture.executable("pi-demo") + " --rate 20"]) { fixture, url in
            let process = try fixture.start("hypi-attach", ["-p", "/long 2000", "\(url)"])
            try await process.output.wait("a beginning") { bytes, _ in bytes.count > 20 }
            #expect(process.output.bytes.count < 1000)
            let abort = try await fixture.run("hypi-attach", ["--abort", "\(url)"])
            #expect(abort.exit == .status(0))
            let result = try await process.finish()
            #expect(result.exit == .status(1))
            #expect(result.errors == "hypi-attach: the answer was aborted\n")
        }
    }

    @Test("an error of the model is status 1 and one line")
    func modelError() async throws {
        try await with { fixture, url in
            let result = try await fixture.run("hypi-attach", ["-p", "/error", "\(url)"])
            #expect(result.exit == .status(1))
            #expect(result.errors.hasPrefix("hypi-attach: "))
            #expect(result.errors.count { $0 == "\n" } == 1)
        }
    }

    @Test("a retry belongs to the answer")
    func retry() async throws {
        try await with { fixture, url in
            let result = try await fixture.run("hypi-attach", ["-p", "/retry", "\(url)"])
            #expect(result.exit == .status(0))
            #expect(result.output.hasPrefix("It worked"))
        }
    }

    @Test("a question that nobody can answer is status 75; --answer and --deny answer it")
    func questions() async throws {
        try await with { fixture, url in
            let asked = try await fixture.run("hypi-attach", ["-p", "/ask", "\(url)"])
            #expect(asked.exit == .status(75))
            #expect(asked.errors.hasPrefix("hypi-attach: the agent asks: "))
            let blocked = try await fixture.run("hypi-attach", ["-p", "more", "\(url)"])
            #expect(blocked.exit == .status(75))
            let denied = try await fixture.run("hypi-attach", ["-p", "more", "--answer", "1", "--deny", "\(url)"])
            #expect(denied.exit == .status(0))
            #expect(denied.output.contains("> more"))
        }
    }

    @Test("--timeout gives up with 124 and leaves the agent alone")
    func timeout() async throws {
        try await with(["HYPI_PI": Fixture.executable("pi-demo") + " --rate 20"]) { fixture, url in
            let result = try await fixture.run(
                "hypi-attach", ["-p", "/long 500", "--timeout", "4", "\(url)"])
            #expect(result.exit == .status(124))
            #expect(result.errors.hasPrefix("hypi-attach: gave up after 4.0 seconds"))
            let busy = try await fixture.run(
                "hypi-attach", ["--jsonl-in", "--timeout", "4", "\(url)"], input: #"{"id":1,"type":"get_state"}"#)
            #expect(busy.output.contains(#""isStreaming":true"#))
        }
    }

    @Test("--json prints every record; --jsonl-in takes commands and gives them their own ids back")
    func records() async throws {
        try await with { fixture, url in
            let result = try await fixture.run("hypi-attach", ["--json", "-p", "hi", "\(url)"])
            let types = try result.output.split(separator: "\n").map { try JSON(parsing: String($0))["type"]?.string }
            #expect(types.contains("message_update"))
            #expect(types.last == "agent_settled")
            let commands = #"{"id":7,"type":"get_state"}"# + "\n" + #"{"type":"prompt","message":"x"}"# + "\n"
            let conversation = try await fixture.run("hypi-attach", ["--jsonl-in", "\(url)"], input: commands)
            #expect(conversation.exit == .status(0))
            let lines = try conversation.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
            #expect(lines.contains { $0["id"] == 7 && $0["command"] == "get_state" })
            #expect(lines.contains { $0["id"] == nil && $0["command"] == "prompt" })
            #expect(lines.contains { $0["type"] == "agent_settled" })
        }
    }

    @Test("a line that is no command is status 65 with its number")
    func badInput() async throws {
        try await with { fixture, url in
            let result = try await fixture.run(
                "hypi-attach", ["--jsonl-in", "\(url)"], input: "{\"type\":\"get_state\"}\nnonsense\n")
            #expect(result.exit == .status(65))
            #expect(result.errors.hasPrefix("hypi-attach: standard input, line 2: "))
        }
    }

    @Test("--follow shows what others say and touches nothing")
    func follow() async throws {
        try await with { fixture, url in
            let follower = try fixture.start("hypi-attach", ["--follow", "--json", "\(url)"])
            let text = try fixture.start("hypi-attach", ["--follow", "\(url)"])
            // Both watch once they have seen the first prompt; it is repeated until they do.
            for process in [follower, text] {
                while process.output.bytes.isEmpty {
                    _ = try await fixture.run("hypi-attach", ["-p", "hello there", "\(url)"])
                }
            }
            _ = try await fixture.run("hypi-attach", ["-p", "the last one", "\(url)"])
            try await text.output.wait("the prompt") { bytes, _ in
                String(decoding: bytes, as: UTF8.self).contains("> the last one\n")
            }
            try await follower.output.wait("the end of the run") { bytes, _ in
                String(decoding: bytes, as: UTF8.self).hasSuffix("{\"type\":\"agent_settled\"}\n")
            }
            text.signal(SIGINT)
            #expect(try await text.waitForExit() == .signal(SIGINT))
        }
    }

    @Test("an answer over a network that cuts every 200 ms is the message pi has")
    func chaos() async throws {
        try await with(["HYPI_PI": Fixture.executable("pi-demo") + " --rate 2600"]) { fixture, url in
            let proxy = try await CuttingProxy.start(to: url, cuttingAfter: .milliseconds(200))
            let result = try await fixture.run("hypi-attach", ["-p", "/long 10400", "\(proxy.url(for: url))"])
            let last = try await fixture.run("hypi-attach", ["--last", "\(url)"])
            #expect(result.exit == .status(0))
            #expect(result.output == last.output)
            // A delta of the stand-in is a word.
            #expect(last.output.split(whereSeparator: \.isWhitespace).count > 2000)
            // A machine under load makes fewer; without any the test would prove nothing.
            #expect(proxy.cutCount >= 2)
            let all = try await fixture.run(
                "hypi-attach", ["--jsonl-in", "\(url)"], input: #"{"id":1,"type":"get_messages"}"#)
            let messages = try JSON(parsing: String(all.output.split(separator: "\n")[0]))["data"]?["messages"]?.array
            #expect(messages?.count { $0["role"] == "user" } == 1)
            try await proxy.stop()
        }
    }

    @Test("nobody there is status 69, a wrong token 77, no prompt 64")
    func failures() async throws {
        try await with { fixture, url in
            let gone = try await fixture.run("hypi-attach", ["-p", "x", "ws://127.0.0.1:1"])
            #expect(gone.exit == .status(69))
            let refused = try await fixture.run(
                "hypi-attach", ["-p", "x", "\(url)"], environment: ["HYPI_TOKEN": "wrong"])
            #expect(refused.exit == .status(77))
            #expect(try await fixture.run("hypi-attach", ["\(url)"]).exit == .status(64))
            #expect(try await fixture.run("hypi-attach", ["-p", " ", "\(url)"]).exit == .status(64))
            #expect(try await fixture.run("hypi-attach", ["-p", "x", "--last", "\(url)"]).exit == .status(64))
        }
    }

    /// A hypivisor and agents in folders of these names, all of them ready.
    private func withAgents(
        _ folders: [String], rate: Int = 0, _ body: (Fixture, [String], TestProcess, WebSocketURL) async throws -> Void
    ) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, url) = try await fixture.startHypivisor()
        var ids: [String] = []
        for folder in folders {
            let agent = try await fixture.startAgent(
                cwd: try fixture.makeFolder(folder),
                environment: ["HYPI_PI": Fixture.executable("pi-demo") + " --rate \(rate)"])
            ids.append(agent.id)
        }
        if !ids.isEmpty { _ = try await fixture.run("hypi-ls", ["--wait", "idle", "--timeout", "20"] + ids) }
        try await body(fixture, ids, hypivisor, url)
    }

    @Test("without a target: the only agent, or a list and status 64, or none and status 1")
    func noTarget() async throws {
        try await withAgents([]) { fixture, _, _, _ in
            let result = try await fixture.run("hypi-attach", ["-p", "x"])
            #expect(result.exit == .status(1))
        }
        try await withAgents(["only"]) { fixture, _, _, _ in
            let result = try await fixture.run("hypi-attach", ["-p", "x"])
            #expect(result.exit == .status(0))
        }
        try await withAgents(["one", "two"]) { fixture, ids, _, _ in
            let result = try await fixture.run("hypi-attach", ["-p", "x"])
            #expect(result.exit == .status(64))
            #expect(ids.allSatisfy { result.errors.contains($0) })
        }
    }

    @Test("'-' talks to all nodes on standard input and prints one line for each")
    func fanOut() async throws {
        try await withAgents(["one", "two", "three"]) { fixture, ids, _, _ in
            let nodes = try await fixture.run("hypi-ls", ["--json"]).output
            let result = try await fixture.run("hypi-attach", ["-p", "hello all", "--jobs", "2", "-"], input: nodes)
            #expect(result.exit == .status(0))
            let lines = try result.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
            #expect(Set(lines.compactMap { $0["id"]?.string }) == Set(ids))
            #expect(lines.allSatisfy { $0["text"]?.string?.contains("> hello all") == true && $0["error"] == nil })
        }
    }

    @Test("two agents talk to each other through hypi-attach -p")
    func agentsTalk() async throws {
        try await withAgents(["asker", "teller"]) { fixture, _, _, _ in
            _ = try await fixture.run("hypi-attach", ["-p", "the word is heron", "teller"])
            let result = try await fixture.run(
                "hypi-attach", ["-p", "!hypi-attach -p 'what was the word' teller | grep -c heron", "asker"])
            #expect(result.exit == .status(0))
            #expect(result.output.contains("`1`"))
        }
    }

    @Test("an answer through a hypivisor that is killed and started again is whole")
    func killedHypivisor() async throws {
        try await withAgents(["project"], rate: 300) { fixture, ids, hypivisor, url in
            let viewer = try fixture.start("hypi-attach", ["-p", "/long 900", ids[0]])
            try await viewer.output.wait("a beginning") { bytes, _ in bytes.count > 100 }
            hypivisor.signal(SIGKILL)
            _ = try await hypivisor.waitForExit()
            _ = try await fixture.startHypivisor(["--port", "\(url.port)"])
            let result = try await viewer.finish(timeout: .seconds(60))
            #expect(result.exit == .status(0))
            let last = try await fixture.run("hypi-attach", ["--last", ids[0]])
            #expect(result.output == last.output)
        }
    }
}
