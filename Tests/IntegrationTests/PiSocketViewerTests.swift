import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// What viewers may ask, and what they get.
@Suite("pi-socket and its viewers") struct PiSocketViewerTests {
    private func start(
        _ fixture: Fixture, _ arguments: [String] = [], pi: String = "pi-demo --rate 0"
    ) async throws -> (process: TestProcess, url: WebSocketURL, token: Token) {
        let agent = try await fixture.startAgent(
            ["--standalone", "--pi", pi] + arguments, cwd: try fixture.makeFolder("work"))
        return (agent.process, agent.url, try fixture.token())
    }

    @Test("an observer sees everything and commands nothing") func observer() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let observer = try await Viewer(agent.url, token: agent.token, hello: ["role": "observer"])
        _ = try await observer.frame("welcome") { $0["type"] == "welcome" }
        observer.command(["id": 5, "type": "prompt", "message": "forbidden"], messageID: "m")
        let refusal = try await observer.frame("a refusal") { $0["type"] == "response" }
        #expect(refusal["payload"]?["success"] == false && refusal["payload"]?["id"] == 5)
        #expect(refusal["clientMessageId"] == "m")
        observer.send("forbidden too")
        observer.send(["type": "abort"])
        try await observer.wait("three refusals") { $0.json().count { $0["type"] == "response" } == 3 }
        let person = try await Viewer(agent.url, token: agent.token)
        person.send("yes")
        _ = try await observer.frame("the run") { $0["payload"]?["type"] == "agent_settled" }
        #expect(!observer.frames.all.contains { String(buffer: $0).contains("\"forbidden") })
    }

    @Test("answers go to who asked, with the id as it came, of any type")
    func ids() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let first = try await Viewer(agent.url, token: agent.token, hello: [:])
        let second = try await Viewer(agent.url, token: agent.token, hello: [:])
        let ids: [JSON] = ["same", 1.5, 7, true, nil, ["a": [1]], []]
        for id in ids {
            first.command(["id": id, "type": "get_state"])
            second.command(["id": id, "type": "get_messages"])
        }
        for (viewer, command) in [(first, "get_state"), (second, "get_messages")] {
            try await viewer.wait("the answers") { $0.json().count { $0["type"] == "response" } == ids.count }
            let answers = viewer.frames.json().compactMap { $0["payload"] }.filter { $0["type"] == "response" }
            #expect(answers.map { $0["id"] } == ids)
            #expect(answers.allSatisfy { $0["command"]?.string == command })
        }
        first.command(["type": "get_state"])
        let nameless = try await first.wait("one more") { $0.json().count { $0["type"] == "response" } > ids.count }
        #expect(nameless.last["payload"]?.object?.members.contains { $0.key == "id" } == false)
    }

    @Test("a viewer that arrives in mid-answer gets what has been said and the tool that runs")
    func late() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture, pi: "pi-demo --rate 300 --thinking off")
        let first = try await Viewer(agent.url, token: agent.token)
        first.send("/hang")
        _ = try await first.frame("an answer") { $0["assistantMessageEvent"]?["type"] == "text_delta" }
        let second = try await Viewer(agent.url, token: agent.token, hello: ["stream": "delta"])
        let welcome = try await second.frame("welcome") { $0["type"] == "welcome" }
        var text = try #require(welcome["partial"]?["content"]?[0]?["text"]?.string)
        #expect(!text.isEmpty)
        second.command(["type": "abort"])
        let end = try await second.frame("the end of the answer") {
            $0["payload"]?["type"] == "message_end" && $0["payload"]?["message"]?["role"] == "assistant"
        }
        for frame in second.frames.json() {
            let event = frame["payload"]?["assistantMessageEvent"]
            if event?["type"] == "text_delta" { text += event?["delta"]?.string ?? "" }
        }
        #expect(end["payload"]?["message"]?["content"]?[0]?["text"]?.string == text)
        _ = try await second.frame("the end of the run") { $0["payload"]?["type"] == "agent_settled" }

        first.send("!echo begun; sleep 1000")
        _ = try await first.frame("the tool runs") { $0["type"] == "tool_execution_update" }
        let third = try await Viewer(agent.url, token: agent.token, hello: [:])
        let tools = try await third.frame("welcome") { $0["type"] == "welcome" }["runningTools"]
        #expect(tools?[0]?["type"] == "tool_execution_start")
        #expect(tools?[1]?.text.contains("begun") == true)
        third.command(["type": "abort"])
        _ = try await third.frame("the end of the run") { $0["payload"]?["type"] == "agent_settled" }
    }

    @Test("a connection that was lost goes on behind the last frame it had") func resume() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let first = try await Viewer(agent.url, token: agent.token, hello: ["stream": "delta"])
        let welcome = try await first.frame("welcome") { $0["type"] == "welcome" }
        let boot = try #require(welcome["boot"])
        first.command(["type": "prompt", "message": "question-one"])
        _ = try await first.frame("the end") { $0["payload"]?["type"] == "agent_settled" }
        let seen = first.frames.json().compactMap { $0["seq"]?.int }.max() ?? 0
        await first.close()

        let other = try await Viewer(agent.url, token: agent.token)
        other.send("question-two")
        _ = try await other.frame("the end") { $0["type"] == "agent_settled" }
        let again = try await Viewer(
            agent.url, token: agent.token, hello: ["stream": "delta", "lastSeq": .int(seen), "boot": boot],
            subprotocols: ["pi-server.v1"])
        _ = try await again.frame("the end, replayed") { $0["payload"]?["type"] == "agent_settled" }
        let frames = again.frames.json()
        #expect(frames[0]["resumed"] == true && frames[0]["messages"] == [])
        let numbers = frames.compactMap { $0["seq"]?.int }
        let last = numbers.last ?? 0
        #expect(last > seen && numbers == Array(seen + 1...last))
        let prompts = frames.compactMap { $0["payload"]?["message"] }.filter { $0["role"] == "user" }
        #expect(prompts.allSatisfy { $0.text.contains("question-two") })
        // Another process, or another form of the stream, numbers otherwise.
        let foreign = try await Viewer(
            agent.url, token: agent.token, hello: ["lastSeq": .int(seen), "boot": boot], subprotocols: ["pi-server.v1"])
        #expect(try await foreign.frame("welcome") { $0["type"] == "welcome" }["resumed"] == false)
    }

    @Test("of two answers to a dialog the first counts, and everyone is told") func dialog() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let first = try await Viewer(agent.url, token: agent.token)
        first.send("/ask select --keep")
        let request = try await first.frame("a dialog") { $0["method"] == "select" }
        let id = try #require(request["id"])
        let second = try await Viewer(agent.url, token: agent.token, hello: [:])
        let welcome = try await second.frame("welcome") { $0["type"] == "welcome" }
        #expect(welcome["pending"]?[0]?["id"] == id)
        #expect(welcome["sessionState"]?["activity"] == "input-required")
        let late = try await Viewer(agent.url, token: agent.token)
        _ = try await late.frame("the dialog, for who came late") {
            $0["type"] == "extension_ui_request" && $0["id"] == id
        }
        second.send(["type": "extension_ui_response", "id": id, "value": "Block"])
        _ = try await first.frame("resolved") { $0["type"] == "extension_ui_resolved" && $0["id"] == id }
        first.send(["type": "extension_ui_response", "id": id, "value": "Allow"])
        let kept = try await first.frame("what the dialog brought") { $0["message"]?["role"] == "custom" }
        #expect(kept.text.contains("Block") && !kept.text.contains("Allow"))
    }

    @Test("files are listed below the working directory and nowhere else") func files() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let work = try fixture.makeFolder("work")
        _ = try fixture.makeFolder("work/sub")
        _ = try fixture.makeFolder("work-beside")
        try "x".write(toFile: work + "/sub/a.txt", atomically: true, encoding: .utf8)
        try "x".write(toFile: fixture.home + "/work-beside/secret", atomically: true, encoding: .utf8)
        symlink(fixture.home + "/work-beside", work + "/out")
        let agent = try await start(fixture)
        let viewer = try await Viewer(agent.url, token: agent.token)
        let expected: [(String, [String])] = [
            ("", ["out", "sub"]), ("su", ["sub"]), ("sub/", ["sub/a.txt"]), ("../work-beside/", []), ("/etc/", []),
            ("out/", []), ("sub/../", ["sub/../out", "sub/../sub"]), ("sub/../../", []),
        ]
        for (count, (prefix, paths)) in expected.enumerated() {
            viewer.send(["type": "list_files", "prefix": .string(prefix)])
            let frames = try await viewer.wait("files of \(prefix)") {
                $0.json().count { $0["type"] == "files_list" } == count + 1
            }
            let list = frames.json().last { $0["type"] == "files_list" }
            #expect(list?["files"]?.array?.compactMap { $0["path"]?.string } == paths, "\(prefix)")
            #expect(list?["cwd"]?.string == work)
        }
    }

    @Test("a file goes along with the next prompt: text with its name, an image as an image") func attach() async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let viewer = try await Viewer(agent.url, token: agent.token)
        let files: [(String, [UInt8], Bool)] = [
            ("notes.txt", Array("line one".utf8), true), ("p.png", [0x89, 0x50, 0x4E, 0x47], true),
            ("binary.bin", [0, 1, 2, 255], false), ("", Array("x".utf8), false),
            ("big.txt", [UInt8](repeating: 65, count: 10 << 20 + 1), false),
        ]
        for (name, bytes, isTaken) in files {
            let before = viewer.frames.all.count
            viewer.send([
                "type": "attach_file", "filename": .string(name),
                "content": .string(Data(bytes.prefix(10 << 20 + 3)).base64EncodedString()),
            ])
            let ack = try await viewer.frame("an ack", from: before) { $0["type"] == "attach_file_ack" }
            #expect(ack["success"]?.bool == isTaken && ack["filename"]?.string == name)
            #expect((ack["error"] == nil) == isTaken)
        }
        viewer.send("look at this")
        let message = try await viewer.frame("the prompt") {
            $0["type"] == "message_end" && $0["message"]?["role"] == "user"
        }
        #expect(
            message.text.contains("look at this") && message.text.contains("<file name=\\\"notes.txt\\\">\\nline one"))
        #expect(
            message["message"]?["content"]?.array?.contains { $0["type"] == "image" && $0["mimeType"] == "image/png" }
                == true)
    }

    @Test("history comes in pages from the newest to the oldest, and init_state is cut at its bound")
    func history() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let viewer = try await Viewer(agent.url, token: agent.token, hello: [:])
        for size in [300_000, 260_000, 10] {
            let text = String(repeating: "word ", count: size / 5)
            let before = viewer.frames.all.count
            viewer.command(["type": "prompt", "message": .string(text)])
            _ = try await viewer.frame("the end", from: before) { $0["payload"]?["type"] == "agent_settled" }
        }
        viewer.command(["id": "m", "type": "get_messages"])
        let all = try #require(
            try await viewer.frame("the messages") { $0["payload"]?["id"] == "m" }["payload"]?["data"]?["messages"]?
                .array)
        let late = try await Viewer(agent.url, token: agent.token)
        let initState = try await late.frame("init_state") { $0["type"] == "init_state" }
        let given = try #require(initState["messages"]?.array)
        #expect(initState["truncated"] == true && initState["totalMessages"]?.int == all.count)
        #expect(given == Array(all.suffix(given.count)) && given.count < all.count)
        #expect(late.frames.all[0].readableBytes < 510_000)

        var pages: [JSON] = []
        var oldest = all.count - given.count
        while oldest > 0 {
            let start = late.frames.all.count
            late.send(["type": "fetch_history", "before": .int(oldest), "limit": 2])
            let page = try await late.frame("a page", from: start) { $0["type"] == "history_page" }
            pages = (page["messages"]?.array ?? []) + pages
            #expect(page["oldestIndex"]?.int == max(0, oldest - 2))
            oldest = page["oldestIndex"]?.int ?? 0
            #expect(page["hasMore"]?.bool == (oldest > 0))
        }
        #expect(pages + given == all)
    }

    @Test("a repeated clientMessageId is answered again and not done again, after a new connection too")
    func repeated() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture)
        let first = try await Viewer(agent.url, token: agent.token, hello: [:])
        let prompt: JSONObject = ["id": "p", "type": "prompt", "message": "only once"]
        first.command(prompt, messageID: "m1")
        _ = try await first.frame("the end") { $0["payload"]?["type"] == "agent_settled" }
        await first.close()
        let second = try await Viewer(agent.url, token: agent.token, hello: [:])
        second.command(prompt, messageID: "m1")
        let answer = try await second.frame("the answer again") { $0["type"] == "response" }
        #expect(answer["payload"]?["success"] == true && answer["clientMessageId"] == "m1")
        second.command(["id": "m", "type": "get_messages"])
        let messages = try await second.frame("the messages") { $0["payload"]?["id"] == "m" }
        #expect(messages["payload"]?["data"]?["messages"]?.array?.count { $0["role"] == "user" } == 1)
    }

    @Test("eight prompts sent at once are all done, one after the other") func prompts() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await start(fixture, pi: "pi-demo --rate 0 --cumulative")
        let viewer = try await Viewer(agent.url, token: agent.token, hello: [:])
        for number in 0..<8 {
            viewer.command(["id": .int(number), "type": "prompt", "message": .string("n\(number)")])
        }
        try await viewer.wait("all answers", timeout: .seconds(60)) {
            $0.json().count { $0["type"] == "response" } == 8
        }
        try await viewer.wait("all prompts", timeout: .seconds(60)) { frames in
            frames.json().count {
                $0["payload"]?["type"] == "message_end" && $0["payload"]?["message"]?["role"] == "user"
            } == 8
        }
        #expect(!viewer.frames.json().contains { $0["type"] == "response" && $0["payload"]?["success"] == false })
    }
}
