import HypiWire
import Testing

@testable import HypiTool

/// What relative folders mean where the working folder is gone.
@Suite("Working folder")
struct WorkingFolderTests {
    @Test(
        "Without a working folder a relative path is an error and never below /", arguments: [".", "sub", "../x", "./"])
    func gone(_ text: String) throws {
        let gone = WorkingFolder(path: "", home: "/home/ann")
        #expect(throws: Failure.self) { try gone.absolute(text) }
        #expect(gone.existing(text) == nil)
        #expect(try gone.absolute("/srv/../x") == "/x")
        #expect(try gone.absolute("~/a") == "/home/ann/a")
        let nodes = [
            Node(id: "root-1", machine: "m", cwd: "/", port: 1), Node(id: "s-1", machine: "m", cwd: "/x", port: 2),
        ]
        #expect(throws: TargetWord.Fault.unknown(text)) { try TargetWord(text).resolve(in: nodes, from: gone) }
    }

    @Test("An empty text names no folder")
    func empty() {
        let here = WorkingFolder(path: "/", home: nil)
        #expect(throws: Failure.self) { try here.absolute("") }
        #expect(here.existing("") == nil)
    }
}
