import HypiWire
import Testing

@testable import PiDemoCore

@Suite("Slash commands")
struct SlashCommandTests {
    @Test("what is none of ours goes to the model", arguments: ["hello", "/unknown", "", "//ask", "ask"])
    func others(prompt: String) throws {
        #expect(try SlashCommand.parse(prompt) == nil)
    }

    @Test("numbers have a default and a bound")
    func numbers() throws {
        #expect(try SlashCommand.parse("/long 12") == .turn(.long(characters: 12)))
        #expect(try SlashCommand.parse("/tool") == .turn(.tools(count: 3)))
        #expect(throws: SlashCommand.Misuse(command: "tool", reason: "tool: not a number from 0 to 64: 65")) {
            try SlashCommand.parse("/tool 65")
        }
    }

    @Test("/ask takes a dialog and its options in any order")
    func ask() throws {
        #expect(
            try SlashCommand.parse("/ask --timeout 5 input --keep")
                == .ask([.input], timeoutMilliseconds: 5, keepsAnswers: true))
        #expect(
            try SlashCommand.parse("/ask") == .ask(Dialog.Kind.allCases, timeoutMilliseconds: nil, keepsAnswers: false))
        #expect(throws: SlashCommand.Misuse.self) { try SlashCommand.parse("/ask --timeout") }
    }

    @Test("what was answered is told in words, and so is that nobody did")
    func reports() {
        #expect(Dialog.report(.select, "Block") == "select: Block")
        #expect(Dialog.report(.confirm, true) == "confirm: true")
        #expect(Dialog.report(.editor, "a\nb") == #"editor: "a\nb""#)
        #expect(Dialog.report(.select, nil) == "select: no answer")
    }

    @Test(
        "a text is cut into pieces that make the text again",
        arguments: ["", "a b", "\n\n", "wordwithoutanyspaceinitatall 漢字"])
    func pieces(text: String) {
        #expect(Pieces(text).joined() == text)
        #expect(Pieces(text).allSatisfy { (1...24).contains($0.count) })
    }
}
