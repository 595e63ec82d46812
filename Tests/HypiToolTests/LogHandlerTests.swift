import HypiWire
import Logging
import Testing

@testable import HypiTool

@Suite("Log lines")
struct LogHandlerTests {
    private func line(_ level: Logger.Level, _ message: Logger.Message, as format: LogFormat) -> String {
        let event = LogEvent(
            level: level, message: message, metadata: ["why": "a \"b\""], source: "", file: "", function: "", line: 0)
        let handler = LineLogHandler(component: "tool", level: .trace, format: format)
        return String(decoding: handler.line(for: event), as: UTF8.self)
    }

    @Test("in JSON a line is one object; only what is an error, a defect of ours, asks to be looked after")
    func json() throws {
        for level in Logger.Level.allCases {
            let record = try JSON(parsing: line(level, "two\nlines", as: .json))
            #expect(record["level"]?.string == "\(level)")
            #expect(record["component"] == "tool")
            #expect(record["msg"] == "two\nlines")
            #expect(record["why"] == "a \"b\"")
            #expect(record["ts"]?.string?.hasSuffix("Z") == true)
            #expect(record["needsHardening"] == (level >= .error ? true : nil))
        }
    }

    @Test("as text a line is one line, whatever is in it")
    func text() {
        let text = line(.warning, "two\nlines", as: .text)
        #expect(!text.contains("\n"))
        #expect(text.contains(" warning tool: "))
        #expect(text.hasSuffix(#" why="a \"b\"""#))
    }
}
