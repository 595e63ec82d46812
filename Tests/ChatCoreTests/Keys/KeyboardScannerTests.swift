import HypiWire
import Testing

@testable import ChatCore

@Suite("Keys out of bytes")
struct KeyboardScannerTests {
    private func keys(_ text: String, pieces size: Int = .max) -> [KeyboardScanner.Key] {
        var scanner = KeyboardScanner()
        var rest = Array(text.utf8)[...]
        var keys: [KeyboardScanner.Key] = []
        while !rest.isEmpty {
            keys += scanner.feed(rest.prefix(size))
            rest = rest.dropFirst(size)
        }
        return keys + scanner.timeOut()
    }

    @Test("the Esc key is a key once nothing follows, and the next one is not swallowed")
    func escape() {
        var scanner = KeyboardScanner()
        #expect(scanner.feed([0x1B]).isEmpty)
        #expect(scanner.isWaiting)
        #expect(scanner.timeOut() == [.escape])
        #expect(scanner.feed(Array("x".utf8)) == [.bytes(Array("x".utf8))])
        #expect(!scanner.isWaiting)
        #expect(keys("\u{1B}\u{1B}") == [.escape, .escape])
    }

    @Test("sequences and characters stay whole, in however small pieces they come", arguments: [1, 2, 3, 100])
    func whole(size: Int) {
        let units = ["a", "漢", "🙂", "\u{1B}[A", "\u{1B}OB", "\u{1B}[1;3A", "\u{1B}[[A", "\r"]
        #expect(keys(units.joined(), pieces: size) == units.map { .bytes(Array($0.utf8)) })
    }

    @Test("a terminal sends Alt and a key at once; what comes later is a key after Esc")
    func alt() {
        #expect(keys("\u{1B}\r\u{1B}é") == [.bytes([0x1B, 0x0D]), .bytes([0x1B] + Array("é".utf8))])
        var scanner = KeyboardScanner()
        #expect(scanner.feed([0x1B]).isEmpty)
        #expect(scanner.feed([0x78]) == [.escape, .bytes([0x78])])
    }

    @Test("a paste is one unit with line feeds, and keys in it are text", arguments: [1, 4, 100])
    func paste(size: Int) {
        #expect(
            keys("a\u{1B}[200~one\r\ntwo\rthree\u{1B}[A\u{1B}[201~b", pieces: size)
                == [
                    .bytes([0x61]), .paste("one\ntwo\nthree\u{1B}[A", isWhole: true), .bytes([0x62]),
                ])
    }

    @Test("a paste without end is bounded")
    func endless() {
        var scanner = KeyboardScanner()
        #expect(scanner.feed(Array("\u{1B}[200~".utf8)).isEmpty)
        let piece = [UInt8](repeating: 0x78, count: 1 << 20)
        for _ in 0..<9 { #expect(scanner.feed(piece).isEmpty) }
        let text = String(repeating: "x", count: KeyboardScanner.pasteLimit)
        #expect(scanner.feed(Array("\u{1B}[201~".utf8)) == [.paste(text, isWhole: false)])
    }

    @Test("the cursor's place is told only to somebody who has asked")
    func cursor() {
        var scanner = KeyboardScanner()
        let answer = Array("\u{1B}[12;1R".utf8)
        #expect(scanner.feed(answer) == [.bytes(answer)])
        scanner.expectedAnswers = 1
        #expect(scanner.feed(answer) == [.cursor(row: 12)])
        #expect(scanner.feed(answer) == [.bytes(answer)])
    }
}

@Suite("What the keys do")
struct KeyDecisionTests {
    @Test("Up and Down move between rows, in their column where they can")
    func motion() {
        let text = "first line\nab\nthird 漢字"
        let move = { CursorMotion.vertical($0, in: text, from: $1, promptCells: 2, width: 40) }
        #expect(move(-1, 13) == 0)
        #expect(move(-1, 20) == 13)
        #expect(move(1, 13) == 16)
        #expect(move(-1, 3) == nil)
        #expect(move(1, 16) == nil)
        // A row that the terminal has broken is a row.
        let long = String(repeating: "x", count: 25)
        #expect(CursorMotion.vertical(-1, in: long, from: 20, promptCells: 2, width: 10) == 10)
    }

    @Test("Enter steers and Alt-Enter queues, or the other way round")
    func enter() {
        #expect(EnterKey.steer.behaviour(withAlt: false) == "steer")
        #expect(EnterKey.steer.behaviour(withAlt: true) == "followUp")
        #expect(EnterKey.queue.behaviour(withAlt: false) == "followUp")
        #expect(EnterKey.queue.behaviour(withAlt: true) == "steer")
    }

    @Test("a text that is taller than the window is a name in the line, and whole when it is sent")
    func pastes() {
        var book = PasteBook()
        #expect(book.shown("a\nb", rows: 3, width: 80) == "a\nb")
        let tall = (1...20).map(String.init).joined(separator: "\n")
        let name = book.shown(tall, rows: 3, width: 80)
        #expect(name == "[paste #1, 20 lines]")
        let long = String(repeating: "x", count: 400)
        let second = book.shown(long, rows: 3, width: 80)
        #expect(second == "[paste #2, 400 characters]")
        #expect(book.expanded("see \(name) and \(second).") == "see \(tall) and \(long).")
        #expect(book.expanded("[paste #7, 2 lines]") == "[paste #7, 2 lines]")
    }

    @Test("a list is narrowed by words, chosen from by number, and its mark goes around")
    func picker() {
        var picker = Picker(title: "model", items: ["a/one", "a/two", "b/two"].map { .init(label: $0, value: $0) })
        #expect(picker.choice("")?.value == "a/one")
        picker.mark(by: -1, "")
        #expect(picker.choice("")?.value == "b/two")
        #expect(picker.fitting("two a").map(\.number) == [2])
        #expect(picker.choice("two a")?.value == "a/two")
        #expect(picker.choice("1")?.value == "a/one")
        #expect(picker.choice("three") == nil)
    }

    @Test("the tree has all prompts, those of other branches too, and says which are part of the conversation")
    func tree() {
        let entry = { (id: String, parent: String?, role: String) -> JSON in
            var entry: JSONObject = [
                "type": "message", "id": .string(id), "message": ["role": .string(role), "content": .string(id)],
            ]
            entry["parentId"] = parent.map(JSON.string) ?? .null
            return .object(entry)
        }
        let tree = SessionTree(
            entries: [
                entry("a", nil, "user"), entry("b", "a", "assistant"), entry("c", "b", "user"), entry("d", "b", "user"),
                entry("e", "d", "user"), entry("e", "a", "user"), entry("x", "y", "user"),
            ], leaf: "e")
        #expect(tree.prompts.map(\.id) == ["a", "c", "d", "e", "x"])
        #expect(tree.prompts.map(\.depth) == [0, 1, 1, 1, 0])
        #expect(tree.prompts.filter(\.isCurrent).map(\.id) == ["a", "d", "e"])
    }

    @Test("Tab completes files of this machine after /attach")
    func attach() {
        var completion = Completion()
        #expect(completion.candidates("~/no", line: "/attach ~/no") == nil)
        completion.setNames([".hidden", "note.txt", "notes/", "other"], localFolder: "~/")
        #expect(completion.candidates("~/no", line: "/attach ~/no") == ["~/note.txt", "~/notes/"])
        #expect(completion.candidates("~/.", line: "/attach ~/.") == ["~/.hidden"])
        #expect(AttachedFile.expand("~/x", home: "/home/me") == "/home/me/x")
        #expect(AttachedFile.expand("~x", home: "/home/me") == "~x")
    }
}
