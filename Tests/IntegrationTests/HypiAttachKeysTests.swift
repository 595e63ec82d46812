import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite(
    "hypi-attach's keys", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachKeysTests {
    @Test("Esc leaves a question or aborts the turn, and does not swallow the next key")
    func escape() async throws {
        try await ChatScreen.beside(rate: 30) { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("/stop")
            try await screen.waitForRow { $0 == "end the agent? y/n:" }
            // A program that is slow reads Esc and a key that follows at once as Alt and the key.
            try await screen.press("Escape")
            try await screen.wait("the line") { $0.last == ">" }
            try await screen.type("x")
            try await screen.wait("the key") { $0.last == "> x" }
            try await screen.press("C-u")
            try await screen.enter("/long 3000")
            try await screen.waitFor("Esc aborts; Enter steers, Alt-Enter queues")
            try await screen.press("Escape")
            try await screen.waitForRow { $0 == "! aborted" }
            try await screen.type("next")
            try await screen.wait("the next keys") { $0.last == "> next" }
        }
    }

    @Test("Ctrl-J and, while the agent is idle, Alt-Enter begin a new line; Up moves in the text before the history")
    func lines() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.ask("earlier")
            try await screen.type("one")
            try await screen.press("C-j")
            try await screen.type("two")
            try await screen.press("M-Enter")
            try await screen.type("three")
            try await screen.wait("three rows") { $0.suffix(3) == ["> one", "two", "three"] }
            try await screen.press("Up", "Up")
            try await screen.type("X")
            try await screen.wait("the first row") { rows in
                rows.suffix(3).first?.contains("X") == true && rows.suffix(2) == ["two", "three"]
            }
            try await screen.press("C-a", "Up")
            try await screen.wait("the history") { $0.last == "> earlier" }
            try await screen.press("Down")
            try await screen.wait("the text") { $0.last == "three" }
            try await screen.press("Enter")
            try await screen.wait("the prompt") { $0.contains("  two") && $0.contains("  three") }
        }
    }

    @Test("while the agent works Enter steers and Alt-Enter queues; a config file can turn that round")
    func enter() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            _ = try await fixture.run("hypi-attach", ["-p", "!sleep 1.5", "--no-wait", "\(url)"])
            try await screen.waitForRow { $0.contains("$ sleep 1.5") }
            try await screen.type("later")
            try await screen.press("M-Enter")
            try await screen.waitForRow { $0 == "queued: later" }
            try await screen.enter("at once")
            try await screen.waitForRow { $0 == "› later" }
            let all = try await screen.everything()
            let steered = try #require(all.range(of: "› at once")), queued = try #require(all.range(of: "› later"))
            #expect(steered.lowerBound < queued.lowerBound)
            try await screen.waitForEnd()
            try await screen.press("C-d")
            try await screen.wait("the shell") { $0.last == "$" }
            _ = try fixture.makeFolder(".config/hyper-pi")
            let config = fixture.home + "/.config/hyper-pi/config"
            try "enter = queue\n".write(toFile: config, atomically: true, encoding: .utf8)
            try await screen.attach(url)
            try await screen.enter("/hang")
            try await screen.waitFor("Enter queues, Alt-Enter steers")
        }
    }

    @Test("!command runs in the agent's folder, !!command stays outside the conversation, and Esc stops either")
    func bash() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("!basename $PWD; exit 3")
            try await screen.wait("the output") { rows in
                rows.contains("  project") && rows.contains("· exit status 3") && rows.last == ">"
                    && rows.contains { $0.hasPrefix("✗ $ basename $PWD; exit 3") }
            }
            try await screen.enter("!!echo secret")
            try await screen.waitForRow { $0 == "· not in the conversation" }
            try await screen.enter("!sleep 100")
            try await screen.waitFor("Esc stops it")
            try await screen.press("Escape")
            try await screen.waitForRow { $0 == "· stopped" }
            let all = try await fixture.run(
                "hypi-attach", ["--jsonl-in", "\(url)"], input: #"{"id":1,"type":"get_messages"}"#)
            let messages = try JSON(parsing: String(all.output.split(separator: "\n")[0]))["data"]?["messages"]?.array
            let secret = try #require(messages?.first { $0["command"] == "echo secret" })
            #expect(secret["role"] == "bashExecution" && secret["excludeFromContext"] == true)
        }
    }

    @Test("/quit and /exit leave", arguments: ["/quit", "/exit"])
    func quit(command: String) async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.enter(command)
            try await screen.waitFor("come back with: hypi-attach")
        }
    }

    @Test("/sessions chooses one from a list and shows the whole page of it; /fork, /tree and /clone go back")
    func sessions() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            for number in 1...3 { try await screen.ask("prompt \(number) of the first") }
            try await screen.enter("/new")
            try await screen.waitForRow { $0 == "· a new session" }
            try await screen.ask("the second session")
            try await screen.enter("/sessions")
            try await screen.waitFor("? session")
            try await screen.enter("prompt 1")
            try await screen.wait("the first session") { rows in
                (1...3).allSatisfy { rows.contains("› prompt \($0) of the first") } && rows.last == ">"
            }
            try await screen.enter("/fork")
            try await screen.waitFor("? go back to before this prompt")
            try await screen.enter("prompt 2")
            try await screen.wait("the text of the prompt") { $0.last == "> prompt 2 of the first" }
            try await screen.press("C-u")
            try await screen.enter("/tree")
            try await screen.waitFor("? go back to before this prompt")
            try await screen.press("Escape")
            try await screen.wait("the line") { $0.last == ">" }
            try await screen.enter("/clone")
            try await screen.waitFor("continues in a copy of the session")
        }
    }

    @Test("/attach takes ~ and completes files of this machine")
    func attach() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try "the secret word is heron".write(toFile: fixture.home + "/note.txt", atomically: true, encoding: .utf8)
            try await screen.attach(url)
            try await screen.type("/attach ~/no")
            try await screen.press("Tab")
            try await screen.wait("the name") { $0.last == "> /attach ~/note.txt" }
            try await screen.press("Enter")
            try await screen.waitFor("1 attached")
            try await screen.enter("what does it say")
            try await screen.waitFor("the secret word is heron")
        }
    }
}
