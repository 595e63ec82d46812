import HypiTool
import HypiWire
import Testing

@Suite("Roster")
struct RosterTests {
    private func node(_ id: String, pid: Int = 1) -> Node {
        var node = Node(id: id, machine: "desk", cwd: "/" + id, port: 4000)
        node.pid = pid
        return node
    }

    @Test("a list is told as its difference to what was known, removals first")
    func difference() {
        var roster = Roster()
        #expect(roster.replace(with: [node("a"), node("b"), node("c")]).map(\.kind) == [.joined, .joined, .joined])
        let changes = roster.replace(with: [node("c"), node("b", pid: 2), node("d")])
        #expect(changes.map(\.kind) == [.removed, .updated, .joined])
        #expect(changes.map(\.id) == ["a", "b", "d"])
        #expect(changes[1].previous == node("b"))
        #expect(roster.nodes.map(\.id) == ["b", "c", "d"])
        #expect(roster.replace(with: roster.nodes).isEmpty)
    }

    @Test("an event about an agent that is not known is told all the same")
    func unknown() {
        var roster = Roster()
        let offline = roster.apply(.nodeOffline(id: "x"), cursor: "b.1")
        #expect(offline?.json.text == #"{"event":"node_offline","cursor":"b.1","id":"x"}"#)
        let removed = roster.apply(.nodeRemoved(id: "x"), cursor: nil)
        #expect(removed?.json.text == #"{"event":"node_removed","id":"x"}"#)
        #expect(roster.nodes.isEmpty)
        #expect(roster.apply(.initial(nodes: [], resumed: true), cursor: nil) == nil)
    }

    @Test("an agent that goes offline keeps what is known of it, but for what it was doing")
    func offline() {
        var roster = Roster()
        var working = node("a", pid: 7)
        (working.activity, working.queued) = (.working, 2)
        _ = roster.apply(.nodeJoined(working), cursor: nil)
        let change = roster.apply(.nodeOffline(id: "a"), cursor: nil)
        #expect(change?.previous?.status == .active)
        #expect(change?.node?.status == .offline)
        #expect(roster["a"]?.pid == 7)
        #expect(roster["a"]?.activity == nil)
        #expect(roster["a"]?.queued == nil)
    }

    @Test("after a hundred thousand comings and goings it holds who is there, in the order in which they came")
    func churn() {
        var roster = Roster()
        _ = roster.apply(.nodeJoined(node("first")), cursor: nil)
        for number in 0..<100_000 {
            _ = roster.apply(.nodeJoined(node("n\(number)")), cursor: nil)
            if number >= 3 { _ = roster.apply(.nodeRemoved(id: "n\(number - 3)"), cursor: nil) }
        }
        #expect(roster.nodes.map(\.id) == ["first", "n99997", "n99998", "n99999"])
        #expect(roster["n99998"]?.cwd == "/n99998")
        #expect(roster["n5"] == nil)
    }
}
