import HypiWire
import NIOCore
import Testing

@testable import HypivisorCore

@Suite("Event log")
struct EventLogTests {
    @Test("A cursor brings exactly the events after it, in order, byte for byte as they went out")
    func since() {
        var log = EventLog(boot: "b")
        #expect(log.cursor == "b.0")
        let frames = ["x", "y", "z"].map { log.append(.nodeRemoved(id: $0)).frame }
        #expect(log.cursor == "b.3")
        #expect(log.frames(since: "b.0") == frames)
        #expect(log.frames(since: "b.2") == [frames[2]])
        #expect(log.frames(since: "b.3") == [])
    }

    @Test("Every event carries its own cursor")
    func cursors() throws {
        var log = EventLog(boot: "b")
        _ = log.append(.nodeRemoved(id: "x"))
        let json = try JSON(parsing: ByteBuffer(bytes: log.append(.nodeOffline(id: "y")).text))
        #expect(json == ["event": "node_offline", "id": "y", "cursor": "b.2"])
    }

    @Test(
        "A cursor of another run, of the future or of no kind is unknown",
        arguments: [
            "c.1", "b.4", "b.-1", "b", "", ".", "b.x",
        ])
    func unknown(_ cursor: String) {
        var log = EventLog(boot: "b")
        for id in ["x", "y", "z"] { _ = log.append(.nodeRemoved(id: id)) }
        #expect(log.frames(since: cursor) == nil)
    }

    @Test("A log forgets its oldest events beyond its count and beyond its bytes")
    func bounded() {
        var byCount = EventLog(boot: "b", countLimit: 2)
        var byBytes = EventLog(boot: "b", byteLimit: 120)
        for id in ["x", "y", "z"] {
            _ = byCount.append(.nodeRemoved(id: id))
            _ = byBytes.append(.nodeRemoved(id: id))
        }
        for log in [byCount, byBytes] {
            #expect(log.frames(since: "b.0") == nil)
            #expect(log.frames(since: "b.1")?.count == 2)
        }
    }
}
