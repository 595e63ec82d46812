import Foundation
import HypiTestSupport
import Testing

@Suite(
    "hypi-attach's text on the screen", .timeLimit(.minutes(2 * Effort.patience)), .serialized,
    .enabled(if: ChatScreen.isAvailable, "tmux is not installed (apt-get install tmux)"))
struct HypiAttachScrollTests {
    @Test(
        "a paragraph taller than the screen is whole in the scrollback, broken between words",
        arguments: [(40, 8), (20, 6), (80, 24)])
    func tall(columns: Int, rows: Int) async throws {
        try await ChatScreen.beside(rate: 1500, columns: columns, rows: rows) { fixture, screen, url in
            try await screen.enter("clear; hypi-attach \(url)")
            try await screen.wait("the line") { $0.last == ">" }
            try await screen.enter("/long 3000")
            // What the screen has no room for is in the scrollback long before the end.
            let deadline = ContinuousClock.now + .seconds(8) * Effort.patience
            while true {
                let (shown, all) = (try await screen.rows(), try await screen.everything())
                let isWorking = shown.contains { $0.contains(" working") || $0.hasPrefix("sending") }
                if isWorking,
                    all.components(separatedBy: "\n\nOnce").last?.split(separator: "\n").count ?? 0 > rows + 2,
                    all.contains("Once upon")
                {
                    break
                }
                guard ContinuousClock.now < deadline else { throw DeadlinePassed("rows that have left: \(all)") }
            }
            try await screen.waitForEnd()
            let answer = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            let everything = try await screen.everything()
            #expect(everything.words.contains(answer.words), "the screen: \(everything)")
            let all = everything.split(separator: "\n").drop { !$0.hasPrefix("Once") }.dropLast(2)
            let known = Set(answer.split { " \n".contains($0) })
            for row in all { #expect(row.split(separator: " ").allSatisfy(known.contains), "\(row)") }
            #expect(all.count > rows)
        }
    }

    @Test("output that is wider than the screen is copied as the one line that it is")
    func copying() async throws {
        try await ChatScreen.beside(columns: 40, rows: 10) { _, screen, url in
            try await screen.attach(url)
            let line = (1...30).map { "column\($0)" }.joined(separator: ", ")
            try await screen.ask("!echo 'let x = [\(line)]'")
            try await screen.enter("/expand")
            // tmux joins the rows that the terminal has wrapped by itself, as it does for people who select them.
            let deadline = ContinuousClock.now + .seconds(8) * Effort.patience
            while try await !screen.everything().contains("  let x = [\(line)]\n") {
                guard ContinuousClock.now < deadline else { throw DeadlinePassed(try await screen.everything()) }
            }
        }
    }

    @Test("after changes of the window's size every line is still there, in order")
    func resize() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.ask("!seq -f 'row %g of those that must stay where they are, whatever happens' 1 60")
            try await screen.enter("/expand")
            try await screen.waitForRow { $0.hasPrefix("  row 60 of") }
            for (columns, rows) in [(30, 12), (100, 30), (41, 8), (80, 24)] {
                try await screen.resize(columns: columns, rows: rows)
                try await screen.wait("the line at \(columns) columns") { $0.last == ">" && $0.count <= rows }
            }
            try await screen.wait("the newest rows in order") { rows in
                let numbers = rows.compactMap { $0.split(separator: " ").dropFirst().first.flatMap { Int($0) } }
                return numbers.count > 20 && numbers == Array((61 - numbers.count)...60)
            }
            let all =
                try await screen.everything().components(separatedBy: "more lines (/expand)").last?.words ?? ""
            // Once each: what is finished is the terminal's, and only what is not finished is drawn again.
            for number in 1...60 {
                #expect(all.components(separatedBy: "row \(number) of those").count == 2, "row \(number)")
            }
        }
    }

    @Test("an answer that streams through changes of the window's size is whole, and the line stays what it is")
    func resizedStream() async throws {
        try await ChatScreen.beside(rate: 1500) { fixture, screen, url in
            try await screen.attach(url)
            try await screen.enter("/long 6000")
            try await screen.waitFor("Once upon")
            try await screen.type("typed meanwhile")
            for (columns, rows) in [(60, 20), (50, 12), (33, 12), (70, 30), (100, 24), (45, 9), (80, 24)] {
                try await screen.resize(columns: columns, rows: rows)
                try await screen.wait("the line at \(columns) columns") { $0.last == "> typed meanwhile" }
            }
            let rows = try await screen.wait("the end", timeout: .seconds(30)) { rows in
                rows.last == "> typed meanwhile" && !rows.contains { $0.contains("working") }
            }
            #expect(rows.count { $0.hasPrefix("> ") } == 1)
            // Where rows were cut for another width a piece of the unfinished one may be left behind; nothing is missing.
            let sentences = try await screen.words().components(separatedBy: "read one line after another.").count - 1
            let answer = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            #expect(sentences >= answer.words.components(separatedBy: "read one line after another.").count - 1)
        }
    }

    @Test("Ctrl-L clears the screen and loses no line")
    func clear() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.attach(url)
            try await screen.ask("!seq 1 30")
            try await screen.enter("/expand")
            try await screen.waitForRow { $0 == "  30" }
            try await screen.type("half a line")
            try await screen.press("C-l")
            try await screen.wait("the empty screen") { $0.last == "> half a line" && $0.count < 5 }
            for number in 1...30 { #expect(try await screen.everything().contains("\n  \(number)\n")) }
        }
    }

    @Test("what stood on the terminal before the chat is not wiped by a change of size")
    func before() async throws {
        try await ChatScreen.beside { _, screen, url in
            try await screen.enter("clear; echo precious output")
            try await screen.waitForRow { $0 == "precious output" }
            try await screen.enter("hypi-attach \(url)")
            try await screen.wait("the conversation") { $0.last == ">" }
            try await screen.resize(columns: 50, rows: 15)
            try await screen.wait("the new screen") { $0.contains { $0.hasPrefix("ws://") } && $0.last == ">" }
            #expect(try await screen.everything().contains("precious output\n"))
        }
    }

    @Test("1,000 deltas a second at 20 columns leave the line alone that is typed meanwhile")
    func narrowFlood() async throws {
        // A delta of the stand-in is a word, about five characters.
        try await ChatScreen.beside(rate: 5200, columns: 20, rows: 10) { fixture, screen, url in
            try await screen.enter("clear; hypi-attach \(url)")
            try await screen.wait("the line") { $0.last == ">" }
            try await screen.enter("/long 15000")
            try await screen.wait("the flood") { $0.contains { $0.contains("working") } }
            let typed = "narrow 漢字 🙂 and more than a row"
            for character in typed { try await screen.type(String(character)) }
            let rows = try await screen.wait("the end of the flood", timeout: .seconds(30)) { rows in
                !rows.contains { $0.contains("working") } && rows.joined().contains("than a row")
            }
            let first = try #require(rows.lastIndex { $0.hasPrefix("> ") })
            #expect(rows[first...].joined().filter { $0 != " " } == "> \(typed)".filter { $0 != " " })
            #expect(rows.count { $0.hasPrefix("> ") } == 1)
            let answer = try await fixture.run("hypi-attach", ["--last", "\(url)"]).output
            #expect(try await screen.words().contains(answer.words))
        }
    }
}
