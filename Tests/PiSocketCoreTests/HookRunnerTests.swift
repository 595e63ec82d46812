import Foundation
import HypiTestSupport
import HypiWire
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import PiSocketCore

@Suite("HookRunner") struct HookRunnerTests {
    /// Keeps what is logged.
    private struct Log: LogHandler {
        let lines = NIOLockedValueBox<[String]>([])
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.withLockedValue { $0.append("\(event.message) \(event.metadata?["event"].map { "\($0)" } ?? "")") }
        }
    }

    /// Runs a hook for some events; what it logged.
    private func run(
        _ command: String, _ events: [String], in folder: String, record: JSONObject = [:], name: String? = nil,
        cwd: String = "/",
        timeLimit: Duration = .seconds(60)
    ) async throws -> [String] {
        let log = Log()
        let runner = HookRunner(
            command: command, environment: ["PATH": "/usr/bin:/bin", "FOLDER": folder, "HOME": folder],
            children: OwnChildren(), logger: Logger(label: "test") { _ in log }, timeLimit: timeLimit)
        let (queue, sink) = AsyncStream.makeStream(of: HookRunner.Event.self)
        var node = Node(id: "a", machine: "m", cwd: cwd, port: 1)
        node.name = name
        for event in events { sink.yield(.init(name: event, record: record, node: node)) }
        sink.finish()
        try await within(.seconds(60), "the hooks have run") { await runner.run(queue) }
        return log.lines.withLockedValue { $0 }
    }

    @Test("a hook that does not end is ended with all it started, said so, and the next event comes") func limit()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let lines = try await run(
            "echo $HYPI_EVENT >>$FOLDER/events; [ $HYPI_EVENT = exit ] || { sleep 1000 & sleep 1001; }",
            ["ready", "exit"], in: fixture.home, timeLimit: .seconds(4))
        #expect(lines == ["hook did not end in 4.0 seconds ready"])
        #expect(try String(contentsOfFile: fixture.home + "/events", encoding: .utf8) == "ready\nexit\n")
        #expect(Fixture.processes(withHome: fixture.home).isEmpty)
    }

    #if os(Linux)
        @Test("an event needs no room on a disk: a full /tmp loses no hook") func memory() async throws {
            let fixture = try Fixture()
            defer { fixture.cleanUp() }
            let lines = try await run(
                "readlink /proc/self/fd/0 >$FOLDER/input; cat >$FOLDER/event", ["ready"], in: fixture.home)
            #expect(lines == [])
            #expect(try String(contentsOfFile: fixture.home + "/input", encoding: .utf8).hasPrefix("/memfd:"))
            #expect(try String(contentsOfFile: fixture.home + "/event", encoding: .utf8).contains("ready"))
        }
    #endif

    @Test("the environment has names and folders on one line without control characters") func names() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let lines = try await run(
            #"printf '%s|%s' "$HYPI_NAME" "$HYPI_CWD" >$FOLDER/text"#, ["ready"], in: fixture.home,
            name: "a\u{1B}[31m\nb\u{7F}\u{9B}\u{202E}", cwd: "/w\u{7}\r/x")
        #expect(lines == [])
        #expect(try String(contentsOfFile: fixture.home + "/text", encoding: .utf8) == "a b|/w /x")
    }

    @Test("the limit is ten seconds") func usualLimit() {
        let runner = HookRunner(
            command: "", environment: [:], children: OwnChildren(), logger: Logger(label: "test") { _ in Log() })
        #expect(runner.timeLimit == .seconds(10))
    }

    @Test("a hook may leave its stdin unread, however long the event is, or read all of it") func unread() async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let long = String(repeating: "x", count: 1 << 20)
        let events = ["ready"] + Array(repeating: "exit", count: 20)
        let lines = try await run(
            "[ $HYPI_EVENT = exit ] || cat >$FOLDER/event", events, in: fixture.home, record: ["detail": .string(long)])
        #expect(lines.isEmpty)
        let event = try JSON(parsing: try String(contentsOfFile: fixture.home + "/event", encoding: .utf8))
        #expect(event["event"] == "ready" && event["detail"]?.string == long)
    }

    @Test("a hook that fails is said so and the next event comes; of one that does well nothing is said") func failure()
        async throws
    {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let lines = try await run(
            "[ $HYPI_EVENT = ready ] && exit 3; exit 0", ["ready", "settled"], in: fixture.home)
        #expect(lines.count == 1)
        #expect(lines.first?.hasPrefix("hook failed") == true && lines.first?.hasSuffix("ready") == true)
    }
}
