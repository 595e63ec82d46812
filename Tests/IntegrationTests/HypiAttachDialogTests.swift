import Foundation
import HypiTestSupport
import Testing

@Suite(
    "hypi-attach's dialogs", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachDialogTests {
    @Test("chosen by arrow and number, yes and no, text; gone when answered elsewhere")
    func dialogs() async throws {
        try await ChatScreen.beside { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/ask")
            try await screen.waitFor("choose 1-2:")
            try await screen.press("Down")
            try await screen.waitForRow { $0.hasPrefix("> 2.") }
            try await screen.press("Enter")
            try await screen.waitFor("y/n:")
            try await screen.enter("perhaps")
            try await screen.waitFor("that is no answer")
            try await screen.enter("y")
            try await screen.waitForRow { $0.hasPrefix("answer:") }
            try await screen.enter("forty-two")
            try await screen.waitFor("input: forty-two")
            try await screen.press("C-c")
            try await screen.wait("the line again") { $0.last == ">" }
            try await screen.enter("/ask")
            try await screen.waitFor("choose 1-2:")
            _ = try await fixture.run("hypi-attach", ["--deny", "\(url)"])
            let rows = try await screen.wait("the line again") { $0.last == ">" }
            #expect(rows.contains { $0.contains("answered elsewhere") })
        }
    }

    @Test("a question that nobody answers goes away when its time is over, and says so")
    func timeout() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("/ask select --timeout 1500")
            try await screen.waitFor("choose 1-2:")
            try await screen.wait("the line again") { rows in
                rows.last == ">" && rows.contains("· nobody answered in time: Allow dangerous command?")
            }
        }
    }

    @Test("while a question is open commands work, the line that was typed waits, and one can leave")
    func commands() async throws {
        try await ChatScreen.beside(rate: 20) { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/long 5000")
            try await screen.waitFor("Esc aborts")
            try await screen.type("half a thought")
            _ = try? await fixture.run("hypi-attach", ["-p", "/ask select", "--no-wait", "\(url)"])
            try await screen.waitForRow { $0 == "choose 1-2:" }
            try await screen.enter("/stats")
            try await screen.waitForRow { $0.contains(" tokens") }
            try await screen.enter("/abort")
            try await screen.waitForRow { $0 == "! aborted" }
            try await screen.waitForRow { $0 == "choose 1-2:" }
            try await screen.enter("/stop")
            try await screen.waitForRow { $0 == "end the agent? y/n:" }
            try await screen.enter("n")
            try await screen.waitForRow { $0 == "choose 1-2:" }
            try await screen.enter("1")
            try await screen.wait("the line again") { $0.last == "> half a thought" }
            try await screen.press("C-u")
            try await screen.enter("/ask select")
            try await screen.waitForRow { $0 == "choose 1-2:" }
            try await screen.enter("/detach")
            try await screen.waitFor("come back with: hypi-attach \(url)")
            // The question is still open, and is there again for whoever comes back.
            try await screen.enter("clear; hypi-attach \(url)")
            try await screen.waitForRow { $0 == "choose 1-2:" }
            try await screen.press("C-d")
            try await screen.waitFor("come back with: hypi-attach \(url)")
        }
    }

    @Test("a longer answer is written in the person's editor")
    func editor() async throws {
        try await ChatScreen.beside(environment: ["EDITOR": "sed -i s/Line/Row/"]) { _, screen, url in
            try await screen.attach(url)
            try await screen.enter("/ask editor")
            try await screen.wait("the text") { $0.suffix(2) == ["answer: Line 1", "Line 2"] }
            try await screen.press("C-x", "C-e")
            try await screen.wait("the edited text") { $0.suffix(2) == ["answer: Row 1", "Row 2"] }
            try await screen.press("Enter")
            try await screen.waitForRow { $0.contains(#"editor: "Row 1\nRow 2""#) }
        }
    }

    @Test("a question is readable on a narrow screen")
    func narrow() async throws {
        try await ChatScreen.beside(columns: 20, rows: 10) { _, screen, url in
            try await screen.enter("clear; hypi-attach \(url)")
            try await screen.wait("the line") { $0.last == ">" }
            try await screen.enter("/ask confirm")
            let rows = try await screen.waitForRow { $0 == "y/n:" }
            #expect(rows.joined(separator: " ").words.contains("? Clear session? All messages will be lost. y/n:"))
        }
    }
}
