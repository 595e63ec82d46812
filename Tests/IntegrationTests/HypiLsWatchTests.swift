import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

@Suite("hypi-ls --watch")
struct HypiLsWatchTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    private func node(_ id: String, _ activity: Node.Activity = .idle) -> Node {
        var node = Node(id: id, machine: "desk", cwd: "/srv/" + id, port: 4000)
        node.activity = activity
        return node
    }

    private func watch(_ registry: FakeRegistry, _ arguments: [String] = []) throws -> TestProcess {
        try fixture.start("hypi-ls", ["--hypivisor", registry.url, "--watch"] + arguments)
    }

    private func record(_ process: TestProcess, _ number: Int) async throws -> JSON {
        try JSON(parsing: try await process.line(number))
    }

    /// The records so far as `event id cursor`.
    private func summary(_ process: TestProcess) throws -> [String] {
        try process.output.text.split(separator: "\n").map { line in
            let json = try JSON(parsing: String(line))
            let id = json["node"]?["id"]?.string ?? json["id"]?.string ?? "?"
            return [json["event"]?.string ?? "?", id, json["cursor"]?.string ?? "-"].joined(separator: " ")
        }
    }

    @Test("it prints the agents there are, then every change as it comes, each a valid record")
    func changes() async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b", .working)])
        let process = try watch(registry)
        _ = try await process.line(1)
        registry.publish(.nodeUpdated(node("a", .working)))
        registry.publish(.nodeJoined(node("c")))
        registry.publish(.nodeOffline(id: "b"))
        registry.publish(.nodeRemoved(id: "b"))
        _ = try await process.line(5)
        // A list is one piece of news: only its last record can be gone on from.
        #expect(
            try summary(process) == [
                "node_joined b -", "node_joined a a.0", "node_updated a a.1", "node_joined c a.2", "node_offline b a.3",
                "node_removed b a.4",
            ])
        #expect(try RecordSchema("watch-event").faults(inLines: process.output.text) == [])
        process.signal(SIGINT)
        #expect(try await process.waitForExit() == .signal(SIGINT))
    }

    @Test("after a lost connection it comes back with its cursor and misses nothing")
    func reconnects() async throws {
        let registry = try await FakeRegistry.start([node("a")])
        let process = try watch(registry)
        _ = try await process.line(0)
        #expect(try await registry.sinces(1) == [nil])
        registry.setAway(true)
        registry.dropConnections()
        registry.publish(.nodeUpdated(node("a", .working)))
        registry.publish(.nodeRemoved(id: "a"))
        registry.setAway(false)
        _ = try await process.line(2)
        #expect(try summary(process) == ["node_joined a a.0", "node_updated a a.1", "node_removed a a.2"])
        try await process.errors.wait("a word about it") { bytes, _ in
            Self.text(bytes) == "hypi-ls: the connection to the hypivisor was lost: reconnecting\n"
        }
        #expect(try await registry.sinces(1) == ["a.0"])
    }

    @Test("a hypivisor that was restarted knows no cursor: the difference between its list and ours is told")
    func restarted() async throws {
        let registry = try await FakeRegistry.start([node("gone"), node("same"), node("busy")])
        let process = try watch(registry)
        _ = try await process.line(2)
        registry.restart(with: [node("same"), node("busy", .working), node("new")])
        _ = try await process.line(5)
        #expect(
            try summary(process).suffix(3) == ["node_removed gone -", "node_updated busy -", "node_joined new aa.0"])
    }

    @Test("--since goes on where an earlier watch ended, and still sees what a restart took away")
    func since() async throws {
        let registry = try await FakeRegistry.start([node("a")])
        registry.publish(.nodeJoined(node("b")))
        registry.publish(.nodeRemoved(id: "a"))
        let process = try watch(registry, ["--since", "a.1"])
        #expect(try await record(process, 0)["id"] == "a")
        // It has asked for the list, to be able to compare: wait until it knows it.
        registry.publish(.nodeUpdated(node("b", .working)))
        _ = try await process.line(1)
        registry.restart(with: [])
        _ = try await process.line(2)
        #expect(try summary(process) == ["node_removed a a.2", "node_updated b a.3", "node_removed b aa.0"])
    }

    @Test("a cursor that is no longer known gets the whole list, and a word about it")
    func unknownCursor() async throws {
        let registry = try await FakeRegistry.start([node("a")])
        let process = try watch(registry, ["--since", "old.7"])
        _ = try await process.line(0)
        #expect(try summary(process) == ["node_joined a a.0"])
        try await process.errors.wait("a word about it") { bytes, _ in
            Self.text(bytes) == "hypi-ls: the hypivisor no longer knows this cursor: all agents follow\n"
        }
    }

    @Test("with conditions it tells of those that meet them, and of those that do so no longer")
    func conditions() async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b", .working)])
        let process = try watch(registry, ["--activity", "working"])
        _ = try await process.line(0)
        registry.publish(.nodeUpdated(node("a", .compacting)))
        registry.publish(.nodeUpdated(node("b", .idle)))
        registry.publish(.nodeUpdated(node("b", .compacting)))
        registry.publish(.nodeUpdated(node("a", .working)))
        _ = try await process.line(2)
        #expect(try summary(process) == ["node_joined b a.0", "node_updated b a.2", "node_updated a a.4"])
    }

    @Test(
        "its reader's end is its own, also while nothing happens", arguments: ["--json", "--quiet", "--table"])
    func readerGone(style: String) async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b"), node("c"), node("d")])
        let shell = try TestProcess(
            "/bin/bash", ["-c", "hypi-ls --watch \(style) | head -n 3; echo ${PIPESTATUS[0]}"],
            environment: fixture.environment.merging(["HYPIVISOR_WS": registry.url]) { $1 })
        let result = try await shell.finish()
        let lines = result.output.split(separator: "\n")
        #expect(lines.count == 4)
        // 128 and SIGPIPE, as yes | head ends.
        #expect(lines.last == "141")
        #expect(result.errors == "")
    }

    @Test("on a terminal the table redraws itself in place, within the window, and Ctrl-C leaves it standing")
    func redraws() async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b")])
        let process = try fixture.start(
            "hypi-ls", ["--hypivisor", registry.url, "--watch", "--no-color"], environment: ["TERM": "xterm"],
            terminal: .size(columns: 60, rows: 6))
        try await process.output.wait("the table") { bytes, _ in Self.text(bytes).contains("b   idle      /srv/b") }
        registry.publish(.nodeUpdated(node("b", .inputRequired)))
        try await process.output.wait("the change, drawn over the old table") { bytes, _ in
            Self.text(bytes).contains("\u{1B}[3A\rID  ACTIVITY        FOLDER")
                && Self.text(bytes).contains("b   input-required  /srv/b")
        }
        for number in 1...5 { registry.publish(.nodeJoined(node("n\(number)"))) }
        try await process.output.wait("the rest that does not fit") { bytes, _ in
            Self.text(bytes).contains("… and 4 more")
        }
        process.resize(columns: 60, rows: 20)
        try await process.output.wait("all of them") { bytes, _ in
            Self.text(bytes).contains("\u{1B}[H\u{1B}[2J") && Self.text(bytes).contains("n5")
        }
        process.send("\u{3}")
        #expect(try await process.waitForExit() == .signal(SIGINT))
        #expect(process.output.text.hasSuffix("\u{1B}[J") || process.output.text.hasSuffix("^C"))
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self)
    }
}

@Suite("hypi-ls --wait")
struct HypiLsWaitTests {
    private let fixture: Fixture

    init() throws {
        fixture = try Fixture()
    }

    private func node(_ id: String, _ activity: Node.Activity = .idle) -> Node {
        var node = Node(id: id, machine: "desk", cwd: "/srv/" + id, port: 4000)
        node.activity = activity
        return node
    }

    /// Starts to wait and comes back once the list has been seen.
    private func wait(_ registry: FakeRegistry, _ arguments: [String]) async throws -> TestProcess {
        let process = try fixture.start("hypi-ls", ["--hypivisor", registry.url, "-q", "--wait"] + arguments)
        _ = try await registry.sinces(1)
        return process
    }

    @Test("it returns when the last of all selected agents is there, and prints them")
    func idle() async throws {
        let registry = try await FakeRegistry.start([node("a", .working), node("b", .working), node("c", .working)])
        let process = try await wait(registry, ["idle", "a", "b"])
        registry.publish(.nodeUpdated(node("a")))
        registry.publish(.nodeUpdated(node("a", .working)))
        registry.publish(.nodeUpdated(node("b")))
        // The connection may come and go meanwhile.
        registry.dropConnections()
        registry.publish(.nodeUpdated(node("a")))
        let result = try await process.finish()
        #expect(result.exit == .status(0))
        #expect(result.output == "a\nb\n")
    }

    @Test("what is there already is not waited for, and nobody is nothing to wait for")
    func already() async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b", .working)])
        #expect(try await wait(registry, ["idle", "a"]).finish().output == "a\n")
        #expect(try await wait(registry, ["idle", "--activity", "blocked"]).finish().exit == .status(0))
        #expect(try await wait(registry, ["gone", "nobody"]).finish().exit == .status(0))
        #expect(try await wait(registry, ["ready"]).finish().output == "b\na\n")
    }

    @Test("an agent that goes will not become idle: 1; one that goes offline may come back")
    func lost() async throws {
        let registry = try await FakeRegistry.start([node("a", .working)])
        let process = try await wait(registry, ["idle", "a"])
        registry.publish(.nodeOffline(id: "a"))
        registry.publish(.nodeRemoved(id: "a"))
        let result = try await process.finish()
        #expect(result.exit == .status(1))
        #expect(result.errors == "hypi-ls: agent a is gone (it will not be idle)\n")
    }

    @Test("ready waits for an agent that has not registered yet")
    func ready() async throws {
        let registry = try await FakeRegistry.start()
        let process = try await wait(registry, ["ready", "web"])
        registry.publish(.nodeJoined(node("web", .starting)))
        registry.publish(.nodeUpdated(node("web")))
        #expect(try await process.finish().output == "web\n")
    }

    @Test("gone is when it is listed no longer; who was offline may come back")
    func gone() async throws {
        let registry = try await FakeRegistry.start([node("a"), node("b")])
        let process = try await wait(registry, ["gone", "a"])
        registry.publish(.nodeOffline(id: "a"))
        registry.restart(with: [])
        _ = try await registry.sinces(1)
        registry.publish(.nodeJoined(node("a")))
        registry.publish(.nodeRemoved(id: "a"))
        #expect(try await process.finish().exit == .status(0))
        let doubtful = try await wait(registry, ["gone", "b"])
        #expect(try await doubtful.finish().exit == .status(0))
    }

    @Test("an empty list of a restarted hypivisor does not prove that an agent is gone")
    func doubtful() async throws {
        let registry = try await FakeRegistry.start([node("a")])
        let process = try await wait(registry, ["gone", "a", "--timeout", "8"])
        registry.restart(with: [])
        let result = try await process.finish()
        #expect(result.exit == .status(124))
        #expect(result.errors.hasSuffix("hypi-ls: timed out after 8 s: not gone: a\n"))
    }
}
