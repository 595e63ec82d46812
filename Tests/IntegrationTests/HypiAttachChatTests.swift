import Foundation
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@Suite(
    "hypi-attach on a terminal", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachChatTests {
    @Test("a conversation: header, prompt, streamed answer, tools as one line, the line below")
    func conversation() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("hello there")
            try await screen.wait("the answer") {
                $0.last == ">" && $0.contains("That is the first message of this session.")
            }
            try await screen.enter("!echo one; echo two; exit 3")
            let rows = try await screen.wait("the tool") { rows in
                rows.last == ">" && rows.contains { $0.hasPrefix("✗ $ echo one; echo two; exit 3 ") }
            }
            #expect(rows.first?.contains("demo/") == true)
            #expect(rows.contains("› hello there"))
            #expect(rows.contains("  one") && rows.contains("  two"))
        }
    }

    @Test("typing during a flood: the line stays intact, with wide characters, and no text is lost")
    func flood() async throws {
        try await ChatScreen.beside(rate: 1000) { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/long 2000")
            let typed = "typed in the flood: 漢字かな 🙂 été"
            for character in typed { try await screen.type(String(character)) }
            try await screen.press("Left", "Left", "Left", "BSpace", "BSpace")
            let rows = try await screen.wait("the end of the flood", timeout: .seconds(30)) { rows in
                rows.last == "> typed in the flood: 漢字かな été" && !rows.contains { $0.contains("working") }
            }
            #expect(rows.count { $0.hasPrefix("> ") } == 1)
            let last = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            #expect(try await screen.words().contains(last.words))
        }
    }

    @Test("changes of the window's size leave line and answer whole", arguments: [20, 41, 132])
    func resize(columns: Int) async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/long 60")
            try await screen.waitFor("Once upon")
            try await screen.type("half a line 漢字")
            try await screen.resize(columns: columns, rows: 20)
            let joined = "> half a line 漢字".filter { $0 != " " }
            let rows = try await screen.wait("the line at \(columns) columns") { rows in
                rows.suffix(2).joined().filter { $0 != " " }.hasSuffix(joined)
                    && rows.joined().contains("Once upon a time")
            }
            #expect(rows.allSatisfy { $0.count <= columns })
            try await screen.resize(columns: 80, rows: 24)
            try await screen.wait("the line again") { $0.last == "> half a line 漢字" }
            try await screen.press("Enter")
            try await screen.wait("the answer") { rows in rows.contains { $0.hasPrefix("› half a line 漢字") } }
        }
    }

    @Test("a paste of 200 lines is one prompt, and a backslash continues a line")
    func paste() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            let text = (1...200).map { "line \($0)" }.joined(separator: "\n")
            try await screen.paste(text)
            try await screen.waitForRow { $0 == "> [paste #1, 200 lines]" }
            try await screen.press("Enter")
            try await screen.wait("the answer") { rows in rows.last == ">" && !rows.contains { $0.contains("working") }
            }
            try await screen.enter(#"first\"#)
            try await screen.enter("second")
            try await screen.waitFor("› first")
            let all = try await fixture.run(
                "hypi-attach", ["--jsonl-in", "\(url)"], input: #"{"id":1,"type":"get_messages"}"#)
            let messages = try JSON(parsing: String(all.output.split(separator: "\n")[0]))["data"]?["messages"]?.array
            let prompts = (messages ?? []).filter { $0["role"] == "user" }
                .map { $0["content"]?.string ?? $0["content"]?[0]?["text"]?.string }
            #expect(prompts == [text, "first\nsecond"])
        }
    }

    @Test("Tab completes our commands, pi's commands and files of the agent's machine")
    func completion() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.type("/thinking-")
            try await screen.press("Tab")
            try await screen.waitForRow { $0.hasPrefix("> /thinking-level") }
            try await screen.press("C-u")
            try await screen.type("/ret")
            try await screen.press("Tab")
            try await screen.waitForRow { $0.hasPrefix("> /retry") }
            try await screen.press("C-u")
            try await screen.type("see @sr")
            try await screen.press("Tab")
            try await screen.waitForRow { $0.hasPrefix("> see @src/") }
            try await screen.press("Tab")
            try await screen.waitForRow { $0.hasPrefix("> see @src/main.swift") }
        }
    }

    @Test("what was typed is there in the next run, for its owner alone")
    func history() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("remember this")
            try await screen.waitFor("› remember this")
            try await screen.press("C-d")
            try await screen.waitFor("come back with: hypi-attach \(url)")
            try await screen.attach(url)
            try await screen.press("Up")
            try await screen.waitForRow { $0.hasPrefix("> remember this") }
            let folder = fixture.home + "/.local/state/hyper-pi"
            let file = try #require(
                try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("history-") })
            let mode = try FileManager.default.attributesOfItem(atPath: folder + "/" + file)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            try #require(chmod(folder + "/" + file, 0o644) == 0)
            let refused = try fixture.start(
                "hypi-attach", ["\(url)"], environment: ["TERM": "xterm"], terminal: .size(columns: 80, rows: 24))
            #expect(try await refused.waitForExit(timeout: .seconds(60)) == .status(78))
        }
    }

    @Test("Ctrl-C aborts the turn; twice leaves; the agent goes on")
    func interrupt() async throws {
        try await ChatScreen.beside(rate: 30) { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/long 3000")
            try await screen.waitFor("Once upon")
            try await screen.press("C-c")
            try await screen.waitForRow { $0 == "! aborted" }
            try await screen.type("kept")
            // The first clears the line, the second within a second leaves.
            try await screen.press("C-c", "C-c")
            try await screen.waitFor("detached; the agent keeps running")
            #expect(try await fixture.run("hypi-attach", ["-p", "still there?", "\(url)"]).exit == .status(0))
        }
    }

    @Test("a broken network is said, nothing is lost or shown twice, and what is typed stays")
    func reconnect() async throws {
        try await ChatScreen.beside(rate: 2600) { fixture, screen, url in
            let proxy = try await CuttingProxy.start(to: url, cuttingAfter: .milliseconds(200))
            try await screen.attach(proxy.url(for: url))
            try await screen.enter("/long 10400")
            try await screen.type("typed meanwhile")
            try await screen.wait("the end", timeout: .seconds(40)) { rows in
                rows.last == "> typed meanwhile"
                    && !rows.contains { $0.contains("working") || $0.contains("trying again") }
                    && rows.contains { $0.contains("Once upon") }
            }
            let last = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            #expect(try await screen.words().contains(last.words))
            try await screen.press("Enter")
            try await screen.waitFor("› typed meanwhile")
            // A machine under load makes fewer; without any the test would prove nothing.
            #expect(proxy.cutCount >= 2)
            try await proxy.stop()
        }
    }

    @Test(
        "the terminal is itself again after Ctrl-D, signals and crashes",
        arguments: ["C-d", "TERM", "HUP", "SEGV", "ILL", "ABRT"])
    func restored(way: String) async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.enter("stty -a | grep -oE '.(icanon|echo|icrnl) ' | tr -d '\\n'; echo")
            let before = try await screen.waitForRow { $0.hasPrefix(" ") && $0.contains("icanon") }
                .first { $0.hasPrefix(" ") }
            try await screen.attach(url)
            if way == "C-d" {
                try await screen.press("C-d")
            } else {
                try await screen.type("half a line")
                try await screen.waitForRow { $0 == "> half a line" }
                let pid = try #require(
                    Fixture.processes(withHome: fixture.home).first { pid in
                        let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
                        return String(decoding: line, as: UTF8.self).hasPrefix("hypi-attach")
                    })
                let signals = ["TERM": SIGTERM, "HUP": SIGHUP, "SEGV": SIGSEGV, "ILL": SIGILL, "ABRT": SIGABRT]
                kill(pid, try #require(signals[way]))
            }
            try await screen.wait("the shell") { $0.last == "$" }
            try await screen.enter("clear; stty -a | grep -oE '.(icanon|echo|icrnl) ' | tr -d '\\n'; echo")
            let rows = try await screen.wait("the settings") { $0.first == before }
            #expect(rows.first == before)
        }
    }

    @Test("unknown slash words are sent nowhere; /help and /stats answer here")
    func commands() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/nonsense")
            try await screen.waitFor("unknown command /nonsense")
            try await screen.enter("/help")
            try await screen.waitFor("clear the screen")
            try await screen.enter("hello")
            try await screen.waitFor("You said:")
            try await screen.enter("/stats")
            try await screen.waitFor("2 messages")
            try await screen.enter("/name a better name")
            try await screen.waitFor("name: a better name")
        }
    }

    @Test("with a pipe behind it the chat is a line at a time, and the pipe gets the answers alone")
    func piped() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.enter("clear; hypi-attach \(url) | tee ~/answers | sed 's/^/piped: /'")
            try await screen.waitFor("a line is a prompt")
            try await screen.enter("hello")
            try await screen.waitForRow { $0 == "piped: You said:" }
            try await screen.enter("/ask confirm")
            try await screen.waitForRow { $0.contains("the agent asks: Clear session?") }
            try await screen.enter("y")
            try await screen.waitForRow { $0.contains("confirm: true") }
            try await screen.enter("/detach")
            try await screen.wait("the shell") { $0.last == "$" }
            let answers = try String(contentsOfFile: fixture.home + "/answers", encoding: .utf8)
            #expect(answers.hasPrefix("You said:\n\n> hello\n") && !answers.contains("asks"))
        }
    }

    @Test("TERM=dumb and no colour degrade to lines")
    func dumb() async throws {
        try await ChatScreen.beside(environment: ["TERM": "dumb"]) { _, screen, url in
            try await screen.enter("TERM=dumb hypi-attach \(url)")
            try await screen.waitFor("a line is a prompt")
            try await screen.enter("hello")
            try await screen.waitFor("You said:")
        }
        try await ChatScreen.beside(environment: ["NO_COLOR": "1"]) { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("hello")
            try await screen.waitFor("That is the **first message** of this session.")
        }
    }
}
