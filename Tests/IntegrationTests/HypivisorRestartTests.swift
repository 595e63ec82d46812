import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// Agents that are in mid-answer while their hypivisor is killed and another one takes its place.
///
/// `HYPI_TEST_KILLS` and `HYPI_TEST_AGENTS` say how often and how many; the defaults are for every day.
@Suite("A hypivisor that is killed", .serialized)
struct HypivisorRestartTests {
    private static let roundCount = Effort.number("HYPI_TEST_KILLS", default: 5)
    private static let agentCount = Effort.number("HYPI_TEST_AGENTS", default: 20)
    /// Characters of an answer, and how many of them pi-demo says in a second.
    private static let answerLength = 600
    private static let rate = Effort.number("HYPI_TEST_RATE", default: 200)

    /// Where the next hypivisor listens.
    enum Port: Sendable, CaseIterable {
        /// On the same port again; agents were told the URL.
        case same
        /// On any; agents find it by what it announces.
        case any
    }

    /// An agent and the text of every answer that a viewer has put together from what it was sent.
    private struct Witness: Sendable {
        let process: TestProcess
        let id: String
        let url: WebSocketURL
    }

    @Test("finds every agent again, each with its id, and no answer has lost a character", arguments: Port.allCases)
    func killed(_ port: Port) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        var (hypivisor, url) = try await fixture.startHypivisor(["--port", "0"])
        let arguments = ["--port", port == .any ? "0" : "\(url.port)"]
        let witnesses = try await startAgents(fixture, port == .any ? [:] : ["HYPIVISOR_WS": "\(url)"])
        let ids = Set(witnesses.map(\.id))
        _ = try await listed(ids, at: url, fixture)
        var times: [Duration] = []
        for round in 1...Self.roundCount {
            let turns = try await ask(witnesses, round, fixture)
            hypivisor.signal(SIGKILL)
            let begin = ContinuousClock.now
            #expect(turns.allSatisfy { !$0.hasEnded }, "an answer was over before the kill, round \(round)")
            _ = try await hypivisor.waitForExit()
            (hypivisor, url) = try await fixture.startHypivisor(arguments)
            let nodes = try await listed(ids, at: url, fixture)
            times.append(begin.duration(to: .now))
            #expect(Set(nodes.map(\.id)) == ids)
            #expect(nodes.allSatisfy { $0.status == .active && $0.activity != .starting })
            for turn in turns { try await turn.check(length: Self.answerLength) }
        }
        times.sort()
        let (middle, late) = (times[times.count / 2], times[times.count * 9 / 10])
        print(
            "\(times.count) kills, \(witnesses.count) agents, port \(port): listed after \(times[0]) at best, \(middle)",
            "in the middle, \(late) for nine in ten, \(times[times.count - 1]) at worst")
        for witness in witnesses { #expect(kill(witness.process.pid, 0) == 0) }
    }

    @Test("An agent that would wait for minutes comes back as soon as a hypivisor announces itself")
    func announced() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let patient = ["PI_SOCKET_RECONNECT_MS": "3600000"]
        let agent = try await fixture.startAgent(["--id", "patient"], environment: patient)
        func said(_ words: String, _ count: Int) async throws {
            try await agent.process.errors.wait("'\(words)' \(count) times", timeout: .seconds(60)) { bytes, _ in
                String(decoding: bytes, as: UTF8.self).components(separatedBy: words).count > count
            }
        }
        for round in 1...2 {
            // Nobody listens yet, or any more, and it waits: only the announcement can bring it here.
            try await said("not registered", round)
            let (hypivisor, url) = try await fixture.startHypivisor()
            _ = try await listed(["patient"], at: url, fixture)
            // It is listed before it hears of it itself, and complains once an outage.
            try await said(": registered", round)
            hypivisor.signal(SIGKILL)
            _ = try await hypivisor.waitForExit()
        }
    }

    private func startAgents(_ fixture: Fixture, _ environment: [String: String]) async throws -> [Witness] {
        let pi = Fixture.executable("pi-demo") + " --thinking off --rate \(Self.rate)"
        let environment = environment.merging(["HYPI_PI": pi]) { $1 }
        return try await withThrowingTaskGroup(of: Witness.self) { tasks in
            for number in 0..<Self.agentCount {
                // They share a folder: it never evicts.
                let process = try fixture.start(
                    "pi-socket", ["--port", "0", "--id", "agent-\(number)"], environment: environment)
                tasks.addTask {
                    let ready = try JSON(parsing: try await process.line(0, timeout: .seconds(60)))
                    let url = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) })
                    return Witness(process: process, id: try #require(ready["id"]?.string), url: url)
                }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
    }

    /// Gives every agent a task and waits until each is in mid-answer.
    private func ask(_ witnesses: [Witness], _ round: Int, _ fixture: Fixture) async throws -> [Turn] {
        let token = try fixture.token()
        return try await withThrowingTaskGroup(of: Turn.self) { tasks in
            for witness in witnesses {
                tasks.addTask { try await Turn.begin(at: witness.url, token, length: Self.answerLength) }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }
        }
    }

    /// Waits until all of them are in the roster and active, and returns it.
    private func listed(_ ids: Set<String>, at url: WebSocketURL, _ fixture: Fixture) async throws -> [Node] {
        let roster = try await RosterMirror(url, token: try fixture.token())
        return try await roster.nodes("all agents") { nodes in
            ids.isSubset(of: nodes.filter { $0.status == .active }.map(\.id))
        }
    }
}

/// One answer, seen by a viewer that is connected to the agent itself.
private struct Turn: Sendable {
    private let viewer: Viewer

    /// Asks for an answer and returns when its first text is there.
    static func begin(at url: WebSocketURL, _ token: Token, length: Int) async throws -> Turn {
        let viewer = try await Viewer(
            url, token: token, hello: ["stream": "delta", "history": 0], subprotocols: ["pi-server.v1"])
        _ = try await viewer.frame("welcome", timeout: .seconds(60)) { $0["type"]?.string == "welcome" }
        viewer.command(["type": "prompt", "id": "p", "message": .string("/long \(length)")])
        _ = try await viewer.frame("the first text", timeout: .seconds(60)) { Self.delta($0) != nil }
        return Turn(viewer: viewer)
    }

    /// Whether the answer is over.
    var hasEnded: Bool {
        viewer.frames.json().contains { $0["payload"]?["type"]?.string == "agent_end" }
    }

    /// Waits for the end and compares what was streamed with what pi has kept.
    func check(length: Int) async throws {
        _ = try await viewer.frame("the end of the answer", timeout: .seconds(60)) {
            $0["payload"]?["type"]?.string == "agent_end"
        }
        let streamed = viewer.frames.json().compactMap(Self.delta).joined()
        viewer.command(["type": "get_messages", "id": "m"])
        let answer = try await viewer.frame("the messages", timeout: .seconds(60)) {
            $0["payload"]?["command"]?.string == "get_messages"
        }
        let messages = answer["payload"]?["data"]?["messages"]?.array ?? []
        let kept = messages.last { $0["role"]?.string == "assistant" }?["content"]?.array ?? []
        #expect(kept.compactMap { $0["text"]?.string }.joined() == streamed)
        #expect(streamed.count >= length)
        let numbers = viewer.frames.json().compactMap { $0["seq"]?.int }
        #expect(numbers == Array((numbers.first ?? 0)..<(numbers.first ?? 0) + numbers.count), "a frame is missing")
        await viewer.close()
    }

    private static func delta(_ frame: JSON) -> String? {
        guard let event = frame["payload"]?["assistantMessageEvent"], event["type"]?.string == "text_delta" else {
            return nil
        }
        return event["delta"]?.string
    }
}
