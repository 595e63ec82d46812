import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// A viewer of an agent that is somebody else's program.
struct OutsideViewer {
    /// What it wrote down.
    struct Record {
        /// In order.
        var messages: [String]
        var compressedCount: Int

        /// The first message, which says how things stand.
        var snapshot: JSON {
            get throws { try JSON(parsing: try #require(messages.first)) }
        }

        /// The stream's messages up to the end of the last run, which are the same for everybody.
        var events: [String] {
            let own = ["welcome", "init_state", "response", "pong"].map { "{\"type\":\"\($0)\"" }
            let events = messages.filter { message in !own.contains { message.hasPrefix($0) } }
            return Array(events[...(events.lastIndex { $0.contains("{\"type\":\"agent_settled\"}") } ?? -1)])
        }
    }

    /// The extension that was agreed; "-" if none was.
    let agreed: String
    private let process: TestProcess
    private let file: String

    /// Connects, offering these parameters of RFC 7692, and says hello if there is one to say; it has its snapshot then.
    init(
        _ peer: OutsidePeer, _ url: WebSocketURL, offer: JSONObject?, hello: JSONObject?, in fixture: Fixture
    ) async throws {
        file = fixture.home + "/messages-" + UUID().uuidString
        let words =
            ["\(url)", try fixture.token().secret, offer.map(JSON.object)?.text ?? "null", file]
            + (hello == nil ? [] : ["pi-server.v1"])
        process = try peer.start("viewer", words, in: fixture, input: .pipe)
        agreed = try await process.line(0)
        if let hello { say(JSON.object(hello).text) }
        _ = try await process.line(1)
    }

    /// Sends a line as a message.
    func say(_ line: String) {
        process.send(line + "\n")
    }

    /// Waits until it has seen the end of so many runs.
    func settled(_ count: Int) async throws {
        // Behind what was agreed and the snapshot.
        _ = try await process.line(count + 1, timeout: .seconds(60))
    }

    /// Closes.
    func finish() async throws -> Record {
        process.closeInput()
        let result = try await process.finish(timeout: .seconds(60))
        try #require(result.exit == .status(0), "\(result.output)\(result.errors)")
        // Bytes, since there are many.
        let lines = try Data(contentsOf: URL(fileURLWithPath: file)).split(separator: UInt8(ascii: "\n"))
        return Record(
            messages: lines.map { String(decoding: $0, as: UTF8.self) },
            compressedCount: try #require(result.output.split(separator: "\n").last.flatMap { Int($0) }))
    }
}

/// An agent and the viewers of it that are of one kind.
final class OutsideViewers {
    let fixture: Fixture
    private let peer: OutsidePeer
    private let hello: JSONObject?
    private let url: WebSocketURL
    private var runCount = 0
    private var viewers: [(viewer: OutsideViewer, missed: Int)] = []

    /// Starts an agent for viewers that say this in the session dialect, or nothing in the viewport dialect.
    init(_ peer: OutsidePeer, hello: JSONObject?) async throws {
        fixture = try Fixture()
        (self.peer, self.hello) = (peer, hello)
        url = try await fixture.startAgent(["--standalone"]).url
    }

    /// One more, which does not hear of the runs before it unless told otherwise; what was agreed.
    func join(_ offer: JSONObject?, adding members: JSONObject = [:], missed: Int? = nil) async throws -> String {
        var words = hello
        for member in members.members { words?[member.key] = member.value }
        let viewer = try await OutsideViewer(peer, url, offer: offer, hello: words, in: fixture)
        viewers.append((viewer, missed ?? runCount))
        return viewer.agreed
    }

    /// One of them prompts.
    func prompt(_ text: String, by index: Int) {
        let command: JSONObject = ["type": "command", "payload": ["type": "prompt", "message": .string(text)]]
        viewers[index].viewer.say(hello == nil ? text : JSON.object(command).text)
    }

    /// One of them prompts, and all see the end of what came of it.
    func run(_ text: String, by index: Int) async throws {
        prompt(text, by: index)
        runCount += 1
        for (viewer, missed) in viewers { try await viewer.settled(runCount - missed) }
    }

    /// All of them send a line.
    func sayAll(_ line: String) {
        for (viewer, _) in viewers { viewer.say(line) }
    }

    /// One of them leaves.
    func leave(_ index: Int) async throws -> OutsideViewer.Record {
        try await viewers.remove(at: index).viewer.finish()
    }

    /// All of them leave.
    func leaveAll() async throws -> [OutsideViewer.Record] {
        var records: [OutsideViewer.Record] = []
        while !viewers.isEmpty { records.append(try await leave(0)) }
        return records
    }
}
