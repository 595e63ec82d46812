import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// Many turns of all kinds, one after the other, with one agent: `TURNS=200 make test-pi`.
@Suite("a real pi takes many turns", .enabled(if: !RealPi.installed.isEmpty), .serialized)
struct RealPiMixedTests {
    private static let turnCount = ProcessInfo.processInfo.environment["HYPI_TEST_TURNS"].flatMap { Int($0) } ?? 11

    @Test(
        "every request to the model is the expected one, and every viewer gets what pi writes",
        arguments: RealPi.installed)
    func mixed(pi: RealPi) async throws {
        let lab = try await RealPiLab(pi, ["--max-cost", "0.2"], isListed: true)
        let viewers = [try await lab.viewer(), try await lab.viewer()]
        let delta = try await lab.viewer(stream: "delta")
        let turns = MixedTurns(lab: lab, viewer: viewers[0])
        for number in 0..<Self.turnCount {
            try await turns.take(number)
            try #require(lab.model.prompts == turns.prompts, "after turn \(number), \(turns.kind(number))")
        }
        let summaryCount = lab.model.requests.count { $0["kind"] == "summary" }
        #expect(summaryCount >= turns.compactionCount)
        let written = RecordStream.written(try await lab.end())
        print(
            "pi \(pi.version): \(Self.turnCount) turns, \(lab.model.prompts.count) requests for turns, "
                + "\(summaryCount) for summaries, \(written.count) records")
        for viewer in viewers {
            try await viewer.wait("the end") { $0.closure != nil }
            #expect(RecordStream.difference(written, RecordStream.received(viewer.frames)) == nil)
        }
        try await delta.wait("the end") { $0.closure != nil }
        let short = written.compactMap(RecordStream.deltaForm)
        let got = RecordStream.received(delta.frames).compactMap(RecordStream.deltaForm)
        #expect(RecordStream.difference(short, got) == nil)
    }
}

/// The turns, and what each of them must ask the model.
private final class MixedTurns {
    enum Kind: CaseIterable {
        case plain, tools, queue, steer, abort, guarded, dialog, toolDialog, image, failure, compaction
    }

    private let lab: RealPiLab
    private let viewer: Viewer
    /// The prompts of all requests for turns so far.
    private(set) var prompts: [String] = []
    /// Compactions that pi did.
    private(set) var compactionCount = 0

    init(lab: RealPiLab, viewer: Viewer) {
        self.lab = lab
        self.viewer = viewer
    }

    func kind(_ number: Int) -> Kind {
        Kind.allCases[number % Kind.allCases.count]
    }

    func take(_ number: Int) async throws {
        let start = viewer.frames.all.count
        switch kind(number) {
        case .plain:
            try await ask("usage 10 1 // think about \(number) // say answer \(number) 🦩", "answer \(number) 🦩\n")
        case .tools:
            let script = """
                usage 10 1 // bash echo \(number) >number; cat number
                usage 10 1 // read number // write other \(number)
                usage 10 1 // say done with \(number)
                """
            try await ask(script, "done with \(number)\n", requests: 3)
        case .queue: try await queue(number, start)
        case .steer: try await steer(number, start)
        case .abort: try await abort(number, start)
        case .guarded: try await guarded(number, start)
        case .dialog:
            let asked = try await lab.ask("/ask confirm", ["--answer", "yes"])
            #expect(asked.exit == .status(0), "turn \(number): \(asked.errors)")
        case .toolDialog:
            let script = "usage 10 1 // call ask_user {\"kind\":\"select\"}\nusage 10 1 // say asked \(number)"
            try await ask(script, "asked \(number)\n", ["--answer", "blue"], requests: 2)
        case .image: try await image(number, start)
        case .failure:
            let script = "error 503 1 // usage 10 1 // say again \(number)"
            try await ask(script, "again \(number)\n", requests: 2)
        case .compaction: try await compact(number, start)
        }
        try await rest()
    }

    private func ask(
        _ prompt: String, _ output: String, _ arguments: [String] = [], requests: Int = 1
    ) async throws {
        let answer = try await lab.ask(prompt, arguments)
        #expect(answer.output == output, "\(answer.errors)")
        #expect(answer.exit == .status(0))
        prompts += Array(repeating: prompt, count: requests)
    }

    private func queue(_ number: Int, _ start: Int) async throws {
        let first = "usage 10 1 // slow 10 30"
        send(first)
        _ = try await viewer.frame("text", from: start, where: Self.isText)
        let later = (1...3).map { "usage 10 1 // say queued \(number).\($0)" }
        for prompt in later { send(prompt) }
        _ = try await viewer.frame("the last answer", from: start, where: Self.isAnswer("queued \(number).3"))
        prompts += [first] + later
    }

    private func steer(_ number: Int, _ start: Int) async throws {
        let folder = lab.fixture.home + "/project"
        let making = try TestProcess(
            "/usr/bin/mkfifo", ["\(folder)/gate\(number)"], environment: lab.fixture.environment)
        _ = try await making.waitForExit()
        let script = "usage 10 1 // bash read line <gate\(number)\nsay not reached"
        send(script)
        _ = try await viewer.frame("the tool", from: start) { $0["payload"]?["type"] == "tool_execution_start" }
        let steering = "usage 10 1 // say steered \(number)"
        viewer.command(["id": .string("s\(number)"), "type": "steer", "message": .string(steering)])
        _ = try await viewer.frame("an answer", from: start) { $0["payload"]?["id"]?.string == "s\(number)" }
        let opening = try TestProcess(
            "/bin/sh", ["-c", "echo go >gate\(number)"], environment: lab.fixture.environment, cwd: folder)
        _ = try await opening.waitForExit()
        _ = try await viewer.frame("the answer", from: start, where: Self.isAnswer("steered \(number)"))
        prompts += [script, steering]
    }

    private func abort(_ number: Int, _ start: Int) async throws {
        let prompt = "usage 10 1 // slow 400 50"
        send(prompt)
        _ = try await viewer.frame("text", from: start, where: Self.isText)
        #expect(try await lab.attach(["--abort"]).exit == .status(0))
        prompts.append(prompt)
        let request = lab.model.requests.last?["request"]
        try await lab.model.note("the end of the request") { $0["ended"] == "gone" && $0["request"] == request }
    }

    private func guarded(_ number: Int, _ start: Int) async throws {
        let dear = "usage 100000 10 // slow 10 30"
        send(dear)
        _ = try await viewer.frame("text", from: start, where: Self.isText)
        _ = try await viewer.frame("the guard", from: start) { $0["type"] == "guard" }
        #expect(try await lab.ask("say refused").exit != .status(0))
        viewer.send(["type": "resume"])
        _ = try await viewer.frame("it may work again", from: start) { $0["type"] == "guard_resumed" }
        prompts.append(dear)
    }

    private func image(_ number: Int, _ start: Int) async throws {
        let prompt = "usage 10 1 // say seen \(number)"
        let pixel =
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        viewer.command([
            "type": "prompt", "message": .string(prompt),
            "images": [["type": "image", "data": .string(pixel), "mimeType": "image/png"]],
        ])
        _ = try await viewer.frame("the answer", from: start, where: Self.isAnswer("seen \(number)"))
        prompts.append(prompt)
        #expect(lab.model.requests.last?["images"] == 1)
    }

    private func compact(_ number: Int, _ start: Int) async throws {
        viewer.command(["id": .string("c\(number)"), "type": "compact"])
        let answer = try await viewer.frame("the end of the compaction", from: start) {
            $0["type"] == "response" && $0["payload"]?["id"]?.string == "c\(number)"
        }
        #expect(answer["payload"]?["success"] == true, "turn \(number): \(answer)")
        compactionCount += 1
    }

    /// Waits until the agent is idle.
    private func rest() async throws {
        let wait = try await lab.fixture.run("hypi-ls", ["--wait", "idle", lab.agent.id, "--timeout", "10"])
        #expect(wait.exit == .status(0))
    }

    private func send(_ prompt: String) {
        viewer.command(["type": "prompt", "message": .string(prompt)])
    }

    private static let isText: @Sendable (JSON) -> Bool = {
        $0["payload"]?["type"] == "message_update"
            && $0["payload"]?["assistantMessageEvent"]?["type"] == "text_delta"
    }

    private static func isAnswer(_ text: String) -> @Sendable (JSON) -> Bool {
        { frame in
            let message = frame["payload"]?["message"]
            return frame["payload"]?["type"] == "message_end" && message?["role"] == "assistant"
                && message?["content"]?.array?.contains { $0["text"]?.string == text } == true
        }
    }
}
