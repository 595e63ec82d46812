import Foundation
import HypiTool
import HypiWire
import Testing

@Suite("TargetWord")
struct TargetWordTests {
    private let here = WorkingFolder(path: "/home/ann/src", home: "/home/ann")

    private func node(_ id: String, _ cwd: String, name: String? = nil, machine: String = "desk") -> Node {
        var node = Node(id: id, machine: machine, cwd: cwd, port: 4000)
        node.name = name
        return node
    }

    private var nodes: [Node] {
        [
            node("app-a1b2c3", "/home/ann/src/app"), node("apple-d4e5f6", "/home/ann/src/apple", name: "fruit"),
            node("web-111111", "/srv/web", name: "site"), node("web-222222", "/home/ann/src/web"),
        ]
    }

    private func ids(_ word: String, in nodes: [Node]? = nil) -> [String] {
        do throws(TargetWord.Fault) {
            return [try TargetWord(word).resolve(in: nodes ?? self.nodes, from: here).id]
        } catch {
            if case .ambiguous(_, let candidates) = error { return candidates.map(\.id) }
            return []
        }
    }

    @Test(
        "a word means the agent whose id, id prefix, name, folder or last path component it is",
        arguments: [
            ("web-111111", "web-111111"), ("web-2", "web-222222"), ("site", "web-111111"), ("fruit", "apple-d4e5f6"),
            ("/srv/web", "web-111111"), ("/srv/web/", "web-111111"), ("./app", "app-a1b2c3"), ("app", "app-a1b2c3"),
            ("~/src/web", "web-222222"), ("../src//./web/../apple", "apple-d4e5f6"), ("apple", "apple-d4e5f6"),
        ])
    func means(word: String, id: String) {
        #expect(ids(word) == [id])
    }

    @Test("'.' is the agent of the folder one stands in")
    func workingFolder() throws {
        let found = try TargetWord(".").resolve(in: nodes, from: WorkingFolder(path: "/srv/web", home: nil))
        #expect(found.id == "web-111111")
    }

    @Test("the exact id wins even where it is another agent's name and a longer id's prefix")
    func exactID() {
        let nodes = [node("a", "/x"), node("ab", "/y", name: "a"), node("abc", "/a")]
        #expect(ids("a", in: nodes) == ["a"])
    }

    @Test("what two agents could be called is a guess that is never made")
    func ambiguous() {
        #expect(ids("web") == ["web-111111", "web-222222"])
        #expect(ids("web-") == ["web-111111", "web-222222"])
        #expect(ids("ap") == ["app-a1b2c3", "apple-d4e5f6"])
        // The only id that starts so, but also the name of another agent.
        #expect(ids("zoo", in: [node("zoo-1", "/z"), node("q-1", "/q", name: "zoo")]) == ["zoo-1", "q-1"])
        // The same path on two machines.
        #expect(ids("/x", in: [node("x-1", "/x"), node("x-2", "/x", machine: "lap")]) == ["x-1", "x-2"])
    }

    @Test("a word that is nobody's, and an empty one, are unknown", arguments: ["nobody", "", "/srv", "eb", "App"])
    func unknown(word: String) {
        #expect(throws: TargetWord.Fault.unknown(word)) {
            try TargetWord(word).resolve(in: nodes, from: here)
        }
    }

    @Test("a path through a symbolic link is the folder it leads to")
    func symbolicLink() throws {
        let root = FileManager.default.temporaryDirectory.resolvingSymlinksInPath().path + "/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root + "/real/deep", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createSymbolicLink(atPath: root + "/link", withDestinationPath: root + "/real/deep")
        let nodes = [node("n-1", root + "/real/deep"), node("n-2", root + "/real")]
        let folder = WorkingFolder(path: root, home: nil)
        #expect(try TargetWord("./link").resolve(in: nodes, from: folder).id == "n-1")
        #expect(try TargetWord("link/..").resolve(in: nodes, from: folder).id == "n-2")
    }

    @Test("the messages name the word, the candidates and what to do, with status 1 and 64")
    func messages() {
        let unknown = Failure(TargetWord.Fault.unknown("x\u{1B}[2J"))
        #expect(unknown.status == .failure)
        #expect(unknown.line == "no agent is called 'x' ('hypi-ls' lists them)")
        let some = Failure(TargetWord.Fault.ambiguous("web", candidates: Array(nodes.suffix(2))))
        #expect(some.status == .usage)
        #expect(
            some.line == "'web' is ambiguous: web-111111 in /srv/web, web-222222 in /home/ann/src/web "
                + "(use an id or more of one)")
        let many = (0..<14).map { node("m-\($0)", "/m", machine: "box\($0)") }
        #expect(Failure(TargetWord.Fault.ambiguous("m", candidates: many)).line.contains("m-11 in box11:/m and 2 more"))
    }
}
