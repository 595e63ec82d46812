import HypiWire
import Testing

@testable import ChatCore

@Suite("The text of an answer")
struct AnswerTextTests {
    private func message(_ texts: String...) -> JSON {
        ["role": "assistant", "content": .array(texts.map { ["type": "text", "text": .string($0)] })]
    }

    private func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    @Test("the end of a message brings what no delta brought, and nothing twice")
    func endCompletes() throws {
        var answer = AnswerText()
        answer.begin()
        #expect(text(answer.append("one ", at: 0)) == "one ")
        #expect(text(try answer.end(message("one two", "three"))) == "two\nthree")
    }

    @Test("a message that says something else than its deltas is told, not printed")
    func divergence() throws {
        var answer = AnswerText()
        _ = answer.append("one", at: 0)
        #expect(throws: AnswerText.Divergence.self) { try answer.end(message("two")) }
    }

    @Test("after a gap only the missing part comes, wherever the gap was", arguments: 0...7)
    func rebuild(cut: Int) throws {
        let whole = "ab\nécd"
        var answer = AnswerText()
        answer.begin()
        let prefix = String(decoding: Array(whole.utf8.prefix(cut)), as: Unicode.UTF8.self)
        guard whole.hasPrefix(prefix) else { return }
        _ = answer.append(prefix, at: 0)
        let rest = try answer.rebuild(messages: [message(whole)], partial: message("next"))
        #expect(prefix + text(rest) == whole + "\nnext")
        #expect(text(answer.append("!", at: 0)) == "!")
    }

    @Test("a gap over which the text changed is told")
    func rebuildDivergence() throws {
        var answer = AnswerText()
        _ = answer.append("one", at: 0)
        #expect(throws: AnswerText.Divergence.self) { try answer.rebuild(messages: [message("two")], partial: nil) }
    }

    @Test("the line break at the end comes once, and not at all for an empty answer")
    func finish() {
        var answer = AnswerText()
        #expect(answer.finish().isEmpty)
        _ = answer.append("a", at: 0)
        #expect(text(answer.finish()) == "\n")
        #expect(answer.finish().isEmpty)
    }
}
