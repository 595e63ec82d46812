import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite(
    "hypi-attach's slash commands", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachCommandTests {
    @Test("/edit writes the line in $VISUAL or $EDITOR, in a private file in TMPDIR that is gone afterwards")
    func edit() async throws {
        let script = #"""
            #!/bin/sh
            stat -c '%a' "$1" > "$HOME/seen"; dirname "$1" >> "$HOME/seen"; printf 'second\nthird\n' >> "$1"
            """#
        try await ChatScreen.beside { fixture, _, url in
            let editor = fixture.home + "/editor"
            try script.write(toFile: editor, atomically: true, encoding: .utf8)
            let folder = try fixture.makeFolder("temporary")
            let screen = try await ChatScreen(fixture, environment: ["EDITOR": "sh \(editor)", "TMPDIR": folder])
            try await screen.attach(url)
            try await screen.type("first ")
            try await screen.press("C-x", "C-e")
            try await screen.wait("the edited line") { $0.suffix(2) == ["> first second", "third"] }
            #expect(try String(contentsOfFile: fixture.home + "/seen", encoding: .utf8) == "600\n\(folder)\n")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            try await screen.press("Enter")
            try await screen.wait("the prompt") { $0.contains("› first second") && $0.contains("  third") }
            try await screen.waitForEnd()
            try await screen.enter("/edit")
            try await screen.wait("the edited line") { $0.suffix(2) == ["> second", "third"] }
            await screen.close()
        }
    }

    @Test("prompts wait in a queue that is shown; /steer goes before them; /take brings them back into the line")
    func queue() async throws {
        try await ChatScreen.beside(rate: 30) { _, screen, url in
            try await screen.attach(url, "--enter queue")
            try await screen.enter("/long 3000")
            try await screen.waitFor("Enter queues, Alt-Enter steers")
            try await screen.enter("one")
            try await screen.enter("two")
            try await screen.enter("/steer at once")
            try await screen.wait("the queue") { rows in
                ["queued: one", "queued: two", "queued: at once"].allSatisfy(rows.contains)
            }
            try await screen.type("three")
            try await screen.press("C-a", "C-k")
            try await screen.enter("/take")
            try await screen.wait("the line") { $0.suffix(3) == ["> at once", "one", "two"] }
            let rows = try await screen.rows()
            #expect(!rows.contains { $0.hasPrefix("queued:") })
            try await screen.press("C-c")
            try await screen.waitForRow { $0 == "! aborted" }
            // An abort takes the turn, not what has been typed.
            try await screen.wait("the line") { $0.suffix(3) == ["> at once", "one", "two"] }
            try await screen.press("Enter")
            try await screen.waitForRow { $0 == "› at once" }
        }
    }

    @Test("/new, /sessions FILE and /compact in mid-turn end no answer and take no line; after /abort they go on")
    func midTurn() async throws {
        try await ChatScreen.beside(rate: 30) { fixture, screen, url in
            try await screen.attach(url, "--enter queue")
            try await screen.enter("/long 3000")
            try await screen.waitFor("Enter queues")
            _ = try await fixture.run("hypi-attach", ["-p", "another viewer's", "--no-wait", "\(url)"])
            try await screen.enter("mine")
            let queued = ["queued: another viewer's", "queued: mine"]
            try await screen.wait("the queue") { rows in queued.allSatisfy(rows.contains) }
            for (command, name) in [("/new", "/new"), ("/sessions x.jsonl", "/sessions"), ("/compact", "/compact")] {
                try await screen.enter(command)
                let told = "! an answer is running: wait for its end, or /abort it, then \(name)"
                let rows = try await screen.wait(told) { $0.contains(told) }
                #expect(rows.last == ">" && queued.allSatisfy(rows.contains))
                #expect(rows.contains { $0.contains("working") })
            }
            try await screen.enter("/take")
            try await screen.wait("the queue in the line") { $0.last == "mine" }
            try await screen.press("C-u")
            try await screen.enter("/abort")
            try await screen.waitForRow { $0 == "! aborted" }
            try await screen.waitForEnd()
            try await screen.enter("/new")
            try await screen.waitForRow { $0 == "· a new session" }
        }
    }

    @Test("a command that takes nothing does nothing with words after it; the line is cleared, and Up brings it back")
    func crowded() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.ask("hello")
            for command in ["/new", "/stop", "/detach", "/abort"] {
                try await screen.enter("\(command) please")
                let told = "! \(command) takes nothing after it (Up brings the line back)"
                try await screen.wait("the empty line") { $0.contains(told) && $0.last == ">" }
                try await screen.press("Up")
                try await screen.wait("the line") { $0.last == "> \(command) please" }
                try await screen.press("C-u")
            }
            let rows = try await screen.rows()
            #expect(!rows.contains("· a new session"))
            let state = try await fixture.run("hypi-attach", ["--jsonl-in", "\(url)"], input: #"{"type":"get_state"}"#)
            #expect(state.output.contains(#""messageCount":2"#))
        }
    }

    @Test("/thinking-level tells the level that the agent has then, not the word that was typed")
    func thinkingLevel() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            for (typed, told) in [("high", "high"), ("hgih", "off, not hgih"), ("low", "low")] {
                try await screen.enter("/thinking-level \(typed)")
                try await screen.waitForRow { $0 == "· thinking: \(told)" }
            }
            try await screen.enter("/thinking-level")
            try await screen.waitForRow { $0 == "! /thinking-level LEVEL" }
        }
    }

    @Test("/steer is heard between two tools of the running turn")
    func steer() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            _ = try await fixture.run("hypi-attach", ["-p", "!sleep 1.5", "--no-wait", "\(url)"])
            try await screen.waitForRow { $0.contains("$ sleep 1.5") }
            try await screen.enter("/steer look here first")
            try await screen.waitForRow { $0 == "› look here first" }
            let rows = try await screen.waitForEnd()
            let steered = try #require(rows.firstIndex { $0 == "› look here first" })
            #expect(rows[..<steered].contains { $0.hasPrefix("✓ $ sleep 1.5") })
        }
    }

    @Test("/model, /thinking-level, /name, /sessions, /export, /stats and /compact say what they did")
    func session() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("hello")
            try await screen.waitFor("That is the first message")
            for (command, answer) in [
                ("/model", "2. demo/demo-small"), ("small", "· model: demo/demo-small"),
                ("/model tiny", "· model: demo/demo-tiny"), ("/thinking-level high", "· thinking: high"),
                ("/name a better name", "· name: a better name"), ("/stats", "2 messages"), ("/export", "· written: "),
                ("/compact", "· summarised"),
                ("/new", "· a new session"),
            ] {
                try await screen.enter(command)
                try await screen.wait(answer) { $0.joined(separator: " ").words.contains(answer) }
            }
            let state = try await fixture.run("hypi-attach", ["--jsonl-in", "\(url)"], input: #"{"type":"get_state"}"#)
            #expect(state.output.contains(#""thinkingLevel":"#))
            let exported = try FileManager.default.contentsOfDirectory(atPath: fixture.home + "/project")
            #expect(exported.contains { $0.hasSuffix(".html") })
        }
    }

    @Test("/attach sends a file with the next prompt, and says why one cannot be read")
    func attach() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try "the secret word is heron".write(
                toFile: fixture.home + "/note.txt", atomically: true, encoding: .utf8)
            try await screen.attach(url)
            try await screen.enter("/attach \(fixture.home)/nothing")
            try await screen.waitFor("no such file or directory")
            try await screen.enter("/attach \(fixture.home)/note.txt")
            try await screen.waitFor("1 attached")
            try await screen.enter("what does it say")
            try await screen.waitFor("the secret word is heron")
            #expect(try await screen.waitForEnd().contains { $0.contains("attached") } == false)
        }
    }

    @Test("thinking is folded; /thinking shows it from then on")
    func thinking() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("hello")
            try await screen.waitForRow { $0.hasPrefix("· thought, 1 line") }
            try await screen.waitForEnd()
            try await screen.enter("/thinking")
            try await screen.waitForRow { $0 == "· thinking is shown" }
            try await screen.ask("again")
            let rows = try await screen.wait("the thought") { $0.contains("› again") && $0.last == ">" }
            let asked = try #require(rows.lastIndex(of: "› again"))
            #expect(!rows[asked...].contains { $0.hasPrefix("· thought") })
        }
    }

    @Test("/stop asks first; then the agent ends")
    func stop() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.type("kept")
            try await screen.press("C-a", "C-k")
            try await screen.enter("/stop")
            try await screen.waitForRow { $0 == "end the agent? y/n:" }
            try await screen.enter("n")
            try await screen.wait("the line") { $0.last == ">" }
            #expect(try await fixture.run("hypi-attach", ["-p", "there?", "\(url)"]).exit == .status(0))
            try await screen.enter("/stop")
            try await screen.enter("y")
            try await screen.waitForRow { $0 == "· asked the agent to end" }
            try await screen.waitForRow { $0.contains("pi ended") || $0.contains("trying again") }
        }
    }

    @Test("unknown slash words are sent nowhere, and Up brings them back; paths are prompts")
    func unknown() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("/nonsense and more")
            try await screen.waitFor("unknown command /nonsense")
            try await screen.wait("the empty line") { $0.last == ">" }
            try await screen.press("Up")
            try await screen.wait("the line") { $0.last == "> /nonsense and more" }
            try await screen.press("C-u")
            try await screen.enter("/usr/bin/env is a path")
            try await screen.waitForRow { $0 == "› /usr/bin/env is a path" }
        }
    }

    @Test("Ctrl-R finds what was typed before, also in an earlier run; /more shows earlier messages")
    func search() async throws {
        try await ChatScreen.beside(rows: 12) { _, screen, url in
            try await screen.attach(url)
            try await screen.ask("a heron stands in the water")
            for number in 1...3 {
                try await screen.ask("prompt \(number)")
            }
            try await screen.press("C-d")
            try await screen.waitFor("come back with")
            try await screen.enter("clear; hypi-attach \(url)")
            try await screen.wait("the conversation") { $0.last == ">" }
            try await screen.press("C-r")
            try await screen.type("heron")
            try await screen.waitForRow { $0.contains("a heron stands in the water") && $0.contains("search") }
            try await screen.press("C-e", "C-u")
            try await screen.wait("the line") { $0.last == ">" }
            while try await !screen.everything().contains("· the beginning was above") {
                try await screen.enter("/more")
            }
            try await screen.enter("/more")
            try await screen.waitFor("this is the beginning")
            #expect(try await screen.everything().contains("› a heron stands in the water"))
        }
    }
}
