import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOEmbedded
import PiAdapter
import Testing

@testable import PiSocketCore

/// Rules of the hub that need no socket and no process.
@Suite("SessionHub") struct SessionHubTests {
    /// A viewer that reads everything at once.
    private final class Reader {
        let viewer: PiSocketCore.Viewer
        let connection: FakeConnection
        private(set) var frames: [JSON] = []

        init(_ stage: Stage, hello: JSONObject? = nil) {
            viewer = PiSocketCore.Viewer(
                id: stage.hub.nextViewerID(), hub: stage.hub, entry: hello == nil ? .viewport : .session)
            connection = FakeConnection(viewer)
            viewer.begin(connection)
            guard let hello else { return }
            var frame: JSONObject = ["type": "hello", "protocolVersion": 1, "clientId": "c"]
            for member in hello.members { frame[member.key] = member.value }
            send(.object(frame), stage)
        }

        func send(_ json: JSON, _ stage: Stage) {
            ViewerFrames.receive(Message(isText: true, payload: json.buffer), from: viewer, stage.hub)
        }

        func read() -> [JSON] {
            frames += connection.read(1 << 30).map { (try? JSON(parsing: $0)) ?? .null }
            return frames
        }
    }

    private func line(_ stage: Stage, _ text: String) {
        stage.hub.received(ByteBuffer(string: text + "\n"))
    }

    @Test("a dialog that nobody is there to answer is cancelled after --ui-timeout, and not while somebody is")
    func uiTimeout() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20, uiTimeout: .seconds(10))
        stage.settle()
        let reader = Reader(stage)
        line(stage, "{\"type\":\"extension_ui_request\",\"id\":7,\"method\":\"confirm\",\"title\":\"?\"}")
        #expect(stage.activity == .inputRequired)
        stage.loop.advanceTime(by: .seconds(60))
        #expect(stage.activity == .inputRequired)
        reader.connection.lose()
        stage.loop.advanceTime(by: .seconds(9))
        #expect(stage.activity == .inputRequired)
        stage.loop.advanceTime(by: .seconds(2))
        #expect(stage.activity == .idle)
        #expect(stage.pi.lastCommand == ["type": "extension_ui_response", "id": 7, "cancelled": true])
    }

    @Test("a dialog's own timeout closes it, however absurd it is")
    func ownTimeout() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        line(stage, "{\"type\":\"extension_ui_request\",\"id\":\"a\",\"method\":\"select\",\"timeout\":1000}")
        line(
            stage,
            "{\"type\":\"extension_ui_request\",\"id\":\"b\",\"method\":\"select\",\"timeout\":9223372036854775807}")
        line(stage, "{\"type\":\"extension_ui_request\",\"id\":\"c\",\"method\":\"select\",\"timeout\":-5}")
        stage.loop.advanceTime(by: .seconds(2))
        #expect(stage.hub.dialogs.open.map(\.id) == ["b"])
    }

    @Test("a dialog of a kind that we do not know can be answered once") func strangeDialog() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        line(stage, "{\"type\":\"extension_ui_request\",\"id\":\"x\",\"method\":\"colour\"}")
        #expect(stage.activity == .idle)
        stage.hub.answerDialog(["type": "extension_ui_response", "id": "x", "value": "red"])
        #expect(stage.pi.lastCommand?["value"] == "red")
        stage.hub.answerDialog(["type": "extension_ui_response", "id": "x", "value": "blue"])
        #expect(stage.pi.lastCommand?["value"] == "red")
    }

    @Test("a run has settled when no retry follows it, and once") func settles() {
        let stage = Stage(isCumulative: true, replayBytes: 1 << 20)
        stage.settle()
        for type in ["agent_start", "agent_end", "auto_retry_start", "agent_start", "agent_end"] {
            line(stage, "{\"type\":\"\(type)\"}")
            stage.settle()
            stage.loop.advanceTime(by: .milliseconds(50))
        }
        #expect(stage.settledCount == 0)
        stage.loop.advanceTime(by: .milliseconds(200))
        stage.settle()
        #expect(stage.settledCount == 1)
        stage.loop.advanceTime(by: .seconds(5))
        stage.settle()
        #expect(stage.settledCount == 1)
    }

    @Test("a prompt counts as work before its run has begun, and its failure is told instead of its end")
    func failure() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let reader = Reader(stage)
        stage.settle()
        reader.send(["type": "command", "payload": ["id": "x", "type": "prompt", "message": "m"]], stage)
        #expect(stage.activity == .working)
        stage.pi.forgetUnread()
        line(stage, "{\"type\":\"agent_start\"}")
        line(
            stage,
            "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"stopReason\":\"error\","
                + "\"errorMessage\":\"overloaded\"}}")
        line(stage, "{\"type\":\"agent_end\"}")
        stage.settle()
        stage.loop.advanceTime(by: .seconds(1))
        stage.settle()
        #expect(stage.failures == ["overloaded"])
        #expect(stage.settledCount == 0)
        line(stage, "{\"type\":\"agent_start\"}")
        line(stage, "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"stopReason\":\"stop\"}}")
        line(stage, "{\"type\":\"agent_end\"}")
        stage.settle()
        stage.loop.advanceTime(by: .seconds(1))
        stage.settle()
        #expect(stage.settledCount == 1)
        #expect(stage.failures.count == 1)
    }

    @Test("the end of a run is told once pi has said what it cost, or has gone") func costOfTheRun() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let run = ["agent_start", "agent_end", "agent_settled"]
        for type in run { line(stage, "{\"type\":\"\(type)\"}") }
        #expect(stage.pi.commandTypes.last == "get_session_stats")
        #expect(stage.settledCount == 0)
        stage.settle()
        #expect(stage.settledCount == 1)
        for type in run + run { line(stage, "{\"type\":\"\(type)\"}") }
        #expect(stage.settledCount == 1)
        stage.hub.piExited(PiExit(signal: 9, lastWords: ""), isRestarting: true)
        #expect(stage.settledCount == 3)
    }

    @Test("an abort that pi has lost is sent again while its run goes on, and not into the next") func lostAbort() {
        let stage = Stage(isCumulative: true, replayBytes: 1 << 20)
        stage.settle()
        let reader = Reader(stage)
        stage.settle()
        line(stage, "{\"type\":\"agent_start\"}")
        reader.send(["type": "abort"], stage)
        stage.settle()
        stage.loop.advanceTime(by: .seconds(1))
        #expect(stage.pi.commandTypes.count { $0 == "abort" } == 2)
        line(stage, "{\"type\":\"agent_end\"}")
        line(stage, "{\"type\":\"agent_start\"}")
        stage.settle()
        stage.loop.advanceTime(by: .seconds(10))
        #expect(stage.pi.commandTypes.count { $0 == "abort" } <= 3)
        #expect(reader.read().count { $0["type"] == "response" } == 1)
    }

    @Test("a guard that trips aborts, refuses what waits, and lasts over a restart of pi until a person resumes")
    func guards() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20, guards: GuardLimits(repeats: 2))
        stage.settle()
        let reader = Reader(stage)
        stage.settle()
        line(stage, "{\"type\":\"agent_start\"}")
        for id in [JSON.string("mine"), 7, nil] {
            var command: JSONObject = ["type": "bash", "command": "ls"]
            command["id"] = id
            reader.send(["type": "command", "payload": .object(command)], stage)
            let internalID = stage.pi.lastCommand?["id"]?.string ?? ""
            line(stage, #"{"type":"bash_execution_update","id":"\#(internalID)","delta":"out"}"#)
            let update = reader.read().last { $0["type"] == "bash_execution_update" }
            #expect(update?["delta"] == "out" && update?["id"] == id)
            stage.settle()
        }
    }

    @Test("a pi without the extension is not asked for its tools") func noTools() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20, commands: ["other"])
        stage.settle()
        #expect(!stage.pi.commandTypes.contains("prompt"))
    }

    @Test("lines that are no records are skipped; what stands around them arrives") func noise() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let reader = Reader(stage)
        stage.settle()
        for text in [
            "noise", "", "[1,2]", "{\"a\":", "7", "{\"type\":\"first\"}\r", "\u{FEFF}{}", "{\"type\":\"second\"}",
        ] {
            line(stage, text)
        }
        stage.hub.received(ByteBuffer(bytes: [0x7B, 0xFF, 0x7D, 0x0A]))
        stage.hub.received(ByteBuffer(string: "{\"type\":\"third\"}"))
        stage.hub.outputEnded()
        #expect(reader.read().dropFirst().map { $0["type"]?.string } == ["first", "second", "third"])
    }

    @Test("a record of 64 MiB arrives whole and in linear time; a longer one is dropped") func large() throws {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let reader = Reader(stage)
        stage.settle()
        _ = reader.read()
        let head = "{\"type\":\"large\",\"text\":\""
        let record = ByteBuffer(
            string: head + String(repeating: "x", count: Limits.recordBytes - head.utf8.count - 2) + "\"}")
        let start = clock()
        feed(stage, record)
        // One byte more than the limit, and no JSON: its length alone says that it is dropped.
        feed(stage, ByteBuffer(repeating: UInt8(ascii: "x"), count: Limits.recordBytes + 1))
        line(stage, "{\"type\":\"after\"}")
        // Processor time, since others use the machine; quadratic work would be a thousand times the bytes.
        #expect(Double(clock() - start) / Double(CLOCKS_PER_SEC) < Double(30 * Effort.patience))
        let frames = reader.connection.read(1 << 30) + reader.connection.read(1 << 30)
        #expect(frames.map(\.readableBytes).reduce(0, +) == Limits.recordBytes + "{\"type\":\"after\"}".utf8.count)
        #expect(frames.last == ByteBuffer(string: "{\"type\":\"after\"}"))
    }

    /// A line, in the pieces that a pipe brings.
    private func feed(_ stage: Stage, _ line: ByteBuffer) {
        var rest = line
        while let piece = rest.readSlice(length: min(65536, rest.readableBytes)), piece.readableBytes > 0 {
            stage.hub.received(piece)
        }
        stage.hub.received(ByteBuffer(string: "\n"))
    }

    @Test("viewers that wait while pi restarts get their snapshot from the new one") func restart() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let first = Reader(stage)
        stage.hub.piExited(PiExit(signal: 9, lastWords: "x"), isRestarting: true)
        let second = Reader(stage, hello: [:])
        #expect(first.read().isEmpty && second.read().isEmpty)
        stage.pi.forgetUnread()
        stage.hub.started(stage.pi)
        stage.settle()
        #expect(first.read().first?["type"] == "init_state")
        #expect(second.read().first?["type"] == "welcome")
    }

    @Test("viewers of an agent that goes to another session get that conversation; a refusal changes nothing")
    func changedSession() throws {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let viewport = Reader(stage)
        let session = Reader(stage, hello: ["stream": "delta"])
        stage.settle()
        let first = try #require(session.read().first)
        for (command, isCancelled, expected) in [
            ("new_session", true, ["response"]), ("compact", false, ["response"]),
            ("switch_session", false, ["response", "session_changed", "welcome"]),
        ] {
            let before = (viewport.read().count, session.read().count)
            session.send(["type": "command", "payload": ["id": "x", "type": .string(command)]], stage)
            let id = try #require(stage.pi.lastCommand?["id"])
            stage.pi.forgetUnread()
            line(
                stage,
                "{\"id\":\(id.text),\"type\":\"response\",\"command\":\"\(command)\",\"success\":true,"
                    + "\"data\":{\"cancelled\":\(isCancelled)}}")
            stage.settle()
            let frames = session.read().dropFirst(before.1)
            #expect(frames.map { $0["type"]?.string } == expected)
            let told = viewport.read().dropFirst(before.0).map { $0["type"]?.string }
            #expect(told == (expected.count > 1 ? ["session_changed", "init_state"] : []))
            if expected.count > 1 { #expect(frames.last?["boot"] != first["boot"]) }
        }
    }

    @Test("viewers of a pi that was restarted are told, begin anew, and do not go on from what its predecessor said")
    func comeBack() throws {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let viewport = Reader(stage)
        let session = Reader(stage, hello: ["stream": "delta"])
        stage.settle()
        line(stage, "{\"type\":\"agent_start\"}")
        line(stage, "{\"type\":\"message_start\",\"message\":{\"role\":\"assistant\",\"content\":[]}}")
        line(stage, "{\"type\":\"tool_execution_start\",\"toolCallId\":\"t\"}")
        stage.hub.piExited(PiExit(signal: 9, lastWords: "x"), isRestarting: true)
        stage.pi.crash()
        stage.hub.started(stage.pi)
        stage.settle()
        let told = viewport.read().suffix(3).map { $0["type"]?.string }
        #expect(told == ["agent_exit", "agent_restarted", "init_state"])
        let frames = session.read()
        #expect(frames.suffix(3).map { $0["type"]?.string } == ["agent_exit", "agent_restarted", "welcome"])
        let (first, again) = (frames[0], try #require(frames.last))
        #expect(again["resumed"] == false && again["partial"] == nil && again["runningTools"] == [])
        #expect(again["currentSeq"] == frames[frames.count - 2]["seq"])
        #expect(again["boot"] != first["boot"])
        line(stage, "{\"type\":\"agent_start\"}")
        #expect(session.read().last?["seq"]?.int == again["currentSeq"]?.int.map { $0 + 1 })
        for (boot, isResumed) in [(first["boot"], false), (again["boot"], true)] {
            let back = Reader(
                stage, hello: ["stream": "delta", "boot": boot ?? .null, "lastSeq": again["currentSeq"] ?? .null])
            stage.settle()
            #expect(back.read().first?["resumed"]?.bool == isResumed)
        }
    }

    @Test("a client of an unknown version, or without a name, is told why") func hello() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        let old = Reader(stage, hello: ["protocolVersion": 99])
        #expect(old.read().last?["code"] == "INCOMPATIBLE_PROTOCOL")
        let nameless = Reader(stage, hello: ["clientId": ""])
        #expect(nameless.read().last?["code"] == "INVALID_HELLO")
        #expect(nameless.connection.isClosedByServer)
    }

    @Test("tool output in the delta form comes at most ten times a second, and its last state always")
    func toolUpdates() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let reader = Reader(stage, hello: ["stream": "delta"])
        stage.settle()
        for number in 1...1000 {
            line(stage, "{\"type\":\"tool_execution_update\",\"toolCallId\":\"t\",\"partialResult\":\(number)}")
        }
        #expect(reader.read().count { $0["payload"]?["partialResult"] != nil } == 1)
        stage.loop.advanceTime(by: .seconds(1))
        #expect(reader.read().compactMap { $0["payload"]?["partialResult"]?.int } == [1, 1000])
    }
}
