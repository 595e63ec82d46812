import HypiNet
import HypiWire
import NIOCore
import PiAdapter
import Testing

@testable import PiSocketCore

/// Prompts wait in the bridge: seen by everybody, stopped by a guard, kept over a crash of pi.
@Suite("The queue of a session") struct SessionQueueTests {
    /// A viewer that reads everything.
    private final class Reader {
        private let stage: Stage
        private let viewer: PiSocketCore.Viewer
        private let connection: FakeConnection
        private(set) var frames: [JSON] = []

        init(_ stage: Stage) {
            self.stage = stage
            viewer = PiSocketCore.Viewer(id: stage.hub.nextViewerID(), hub: stage.hub, entry: .session)
            connection = FakeConnection(viewer)
            viewer.begin(connection)
            send(["type": "hello", "protocolVersion": 1, "clientId": "c", "stream": "full"])
            stage.settle()
        }

        func send(_ json: JSON) {
            ViewerFrames.receive(Message(isText: true, payload: json.buffer), from: viewer, stage.hub)
        }

        func prompt(_ text: String) {
            send(["type": "command", "payload": ["id": .string(text), "type": "prompt", "message": .string(text)]])
        }

        func read() -> [JSON] {
            frames += connection.read(1 << 30).map { (try? JSON(parsing: $0)) ?? .null }
            return frames
        }

        /// What the answers to a prompt said.
        func answers(to id: String) -> [String] {
            read().compactMap { frame in
                guard frame["type"] == "response", let payload = frame["payload"], payload["id"]?.string == id else {
                    return nil
                }
                return payload["error"]?.string ?? payload["data"]?["disposition"]?.string ?? "?"
            }
        }

        /// The prompts that wait, as the newest frame shows them.
        var waiting: [String]? {
            let frame = read().last { $0["type"] == "queue" || $0["type"] == "welcome" }
            return (frame?["waiting"] ?? frame?["queue"])?.array?.compactMap { $0["message"]?.string }
        }
    }

    private func line(_ stage: Stage, _ text: String) {
        stage.hub.received(ByteBuffer(string: text + "\n"))
    }

    /// pi begins the run of the prompt that was written.
    private func beginRun(_ stage: Stage) {
        line(stage, #"{"type":"agent_start"}"#)
        stage.settle()
    }

    private func endRun(_ stage: Stage) {
        line(stage, #"{"type":"agent_end","willRetry":false}"#)
        line(stage, #"{"type":"agent_settled"}"#)
        stage.settle()
    }

    private func prompts(_ stage: Stage) -> Int {
        stage.pi.commandTypes.count { $0 == "prompt" }
    }

    private func start(_ guards: GuardLimits = GuardLimits()) -> Stage {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20, guards: guards)
        stage.settle()
        return stage
    }

    @Test("each prompt is written when the run before it and its cost are over; everybody sees what waits")
    func turns() {
        let stage = start()
        let (sender, other) = (Reader(stage), Reader(stage))
        for text in ["one", "two", "three"] { sender.prompt(text) }
        beginRun(stage)
        #expect(prompts(stage) == 1)
        #expect(stage.queued == 2 && other.waiting == ["two", "three"])
        #expect(Reader(stage).waiting == ["two", "three"])
        #expect(sender.answers(to: "one") == ["started"] && sender.answers(to: "two") == ["queued"])
        line(stage, #"{"type":"agent_end","willRetry":false}"#)
        line(stage, #"{"type":"agent_settled"}"#)
        #expect(prompts(stage) == 1)
        #expect(stage.activity == .working)
        stage.settle()
        #expect(prompts(stage) == 2 && stage.pi.lastCommand?["message"] == "two")
        #expect(other.read().last { $0["type"] == "queue" }?["started"] == "q2")
        beginRun(stage)
        #expect(sender.answers(to: "two") == ["queued", "started"])
        #expect(stage.activity == .working)
        endRun(stage)
        beginRun(stage)
        endRun(stage)
        #expect(stage.activity == .idle && stage.queued == 0 && other.waiting == [])
    }

    @Test("after a guard has tripped no prompt reaches pi, what it begins all the same is aborted, and it trips again")
    func guarded() {
        let stage = start(GuardLimits(repeats: 2))
        let reader = Reader(stage)
        for round in 1...2 {
            for text in ["one", "two", "three"] { reader.prompt("\(text) \(round)") }
            beginRun(stage)
            for id in ["a", "b"] {
                line(
                    stage,
                    #"{"type":"tool_execution_start","toolCallId":"\#(id)","toolName":"bash","args":{"x":1}}"#)
                line(stage, #"{"type":"tool_execution_end","toolCallId":"\#(id)","isError":true}"#)
            }
            #expect(stage.activity == .blocked && stage.queued == 0 && reader.waiting == [])
            #expect(reader.answers(to: "three \(round)").last?.contains("a guard has stopped the agent") == true)
            endRun(stage)
            #expect(prompts(stage) == round)
            // Before 0.87 pi continues with what waits in it.
            let aborts = stage.pi.commandTypes.count { $0 == "abort" }
            beginRun(stage)
            #expect(stage.pi.commandTypes.count { $0 == "abort" } > aborts)
            endRun(stage)
            reader.send(["type": "resume"])
            #expect(stage.activity == .idle)
        }
    }

    @Test("a cost that is known only at the end of a run stops the next prompt") func cost() {
        let stage = start(GuardLimits(cost: 1))
        let reader = Reader(stage)
        reader.prompt("one")
        reader.prompt("two")
        beginRun(stage)
        stage.pi.stats = ["cost": 1.5]
        endRun(stage)
        #expect(prompts(stage) == 1 && stage.activity == .blocked)
        #expect(reader.answers(to: "two").count == 2)
    }

    @Test("one update says that the agent is idle and what it has cost, after a run and after a compaction")
    func oneUpdate() throws {
        let stage = start()
        let reader = Reader(stage)
        reader.prompt("one")
        beginRun(stage)
        for cost in [0.5, 0.75] {
            stage.pi.stats = ["cost": .double(cost)]
            if cost == 0.5 {
                endRun(stage)
            } else {
                reader.send(["type": "command", "payload": ["type": "compact"]])
                #expect(stage.activity == .compacting)
                stage.settle()
            }
            let busy = try #require(stage.reports.lastIndex { $0.status.activity != .idle })
            #expect(stage.reports[busy + 1].news.stats?.cost == cost)
        }
    }

    @Test("a prompt during a compaction is written when pi has answered it") func compaction() {
        let stage = start()
        let reader = Reader(stage)
        reader.send(["type": "command", "payload": ["id": "c", "type": "compact"]])
        reader.prompt("one")
        #expect(prompts(stage) == 0 && stage.activity == .compacting && reader.waiting == ["one"])
        stage.settle()
        #expect(prompts(stage) == 1)
    }

    @Test("what waits is kept for a pi that is started again, and refused when none is") func crash() {
        let stage = start()
        let reader = Reader(stage)
        for text in ["one", "two", "three"] { reader.prompt(text) }
        beginRun(stage)
        stage.hub.piExited(PiExit(signal: 9, lastWords: ""), isRestarting: true)
        #expect(stage.queued == 2)
        stage.pi.forgetUnread()
        stage.hub.started(stage.pi)
        stage.settle()
        #expect(prompts(stage) == 2 && stage.pi.lastCommand?["message"] == "two")
        #expect(reader.waiting == ["three"])
        stage.hub.piExited(PiExit(code: 1, lastWords: ""), isRestarting: false)
        #expect(reader.answers(to: "three").last == "pi exited before it was asked")
        #expect(stage.queued == 0)
    }

    @Test("a viewer takes one prompt back by its name; one that is gone is not there") func remove() {
        let stage = start()
        let (sender, other) = (Reader(stage), Reader(stage))
        for text in ["one", "two", "three"] { sender.prompt(text) }
        beginRun(stage)
        other.send(["type": "remove_queued", "id": "q2"])
        #expect(other.read().last { $0["type"] == "queue_removed" }?["message"] == "two")
        #expect(sender.waiting == ["three"])
        #expect(sender.answers(to: "two").last == "the prompt was taken back before its turn")
        other.send(["type": "remove_queued", "id": "q2"])
        #expect(other.read().last { $0["type"] == "queue_removed" }?["removed"] == false)
    }

    @Test("a command that begins no run is not taken for work, and does not delay the next one")
    func handled() {
        let stage = start()
        let reader = Reader(stage)
        reader.prompt("/nothing")
        #expect(stage.activity == .working)
        let id = stage.pi.lastCommand?["id"]?.string ?? ""
        stage.pi.forgetUnread()
        line(
            stage,
            #"{"id":"\#(id)","type":"response","command":"prompt","success":true,"data":{"disposition":"handled"}}"#)
        #expect(stage.activity == .idle)
        #expect(reader.answers(to: "/nothing") == ["handled"])
    }
}
