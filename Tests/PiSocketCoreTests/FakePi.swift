import HypiWire
import NIOCore
import PiAdapter

@testable import PiSocketCore

/// Random numbers that come again for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &self) < percent
    }
}

/// A pi in memory: a conversation that grows record by record, and commands that are answered when it pleases.
final class FakePi: PiInput {
    private enum Step {
        case agentStart, user, assistantStart, block(Int), assistantEnd, toolStart(String), toolUpdate(String, Int)
        case toolEnd(String), turnEnd, agentEnd, settled
    }

    /// Whether each update repeats the whole message, as before pi 0.84.
    let isCumulative: Bool
    /// The conversation so far, each message as JSON text.
    private(set) var messages: [String] = []
    private(set) var answeredMessagesQuestions = 0
    private var unread: [JSON] = []
    private var plan: [Step] = []
    private var content: [JSON] = []
    private var number = 0
    private var output = ByteBuffer()

    private let commands: [String]
    /// What `get_session_stats` answers.
    var stats: JSON?
    /// The types of all commands, in order.
    private(set) var commandTypes: [String] = []
    /// The newest command, but for questions.
    private(set) var lastCommand: JSON?

    init(isCumulative: Bool, commands: [String] = []) {
        self.isCumulative = isCumulative
        self.commands = commands
    }

    func write(line: ByteBuffer) {
        guard let json = try? JSON(parsing: line), let type = json["type"]?.string else { return }
        unread.append(json)
        commandTypes.append(type)
        if !type.hasPrefix("get_") { lastCommand = json }
    }

    /// A new process has not been asked what its predecessor was.
    func forgetUnread() {
        unread = []
    }

    /// A process is killed and another one takes its session: what was not complete is lost.
    func crash() {
        unread = []
        plan = []
        content = []
        output.clear()
    }

    var isIdle: Bool {
        plan.isEmpty
    }

    var hasUnread: Bool {
        !unread.isEmpty
    }

    /// Some of what was written, cut anywhere.
    func takeOutput(_ random: inout SeededGenerator) -> ByteBuffer {
        guard output.readableBytes > 0 else { return ByteBuffer() }
        let length = random.chance(50) ? output.readableBytes : Int.random(in: 1...output.readableBytes, using: &random)
        return output.readSlice(length: length) ?? ByteBuffer()
    }

    var hasOutput: Bool {
        output.readableBytes > 0
    }

    private func emit(_ record: JSON) {
        output.writeImmutableBuffer(record.buffer)
        output.writeString("\n")
    }

    // MARK: Commands

    func answerOne() {
        guard !unread.isEmpty else { return }
        let command = unread.removeFirst()
        let type = command["type"]?.string ?? ""
        var answer: JSONObject = ["type": "response", "success": true]
        answer["id"] = command["id"]
        answer["command"] = .string(type)
        switch type {
        case "get_state":
            answer["data"] = ["isStreaming": .bool(!plan.isEmpty), "isCompacting": false, "pendingMessageCount": 0]
        case "get_messages":
            answeredMessagesQuestions += 1
            answer["data"] = ["messages": .array(messages.compactMap { try? JSON(parsing: $0) })]
        case "get_session_stats": answer["data"] = stats
        case "get_commands": answer["data"] = ["commands": .array(commands.map { ["name": .string($0)] })]
        default: break
        }
        emit(.object(answer))
    }

    // MARK: The session

    /// Plans a run of random length.
    func beginRun(_ random: inout SeededGenerator) {
        guard plan.isEmpty else { return }
        plan = [.agentStart, .user]
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            plan.append(.assistantStart)
            for index in 0..<Int.random(in: 1...3, using: &random) { plan.append(.block(index)) }
            plan.append(.assistantEnd)
            if random.chance(50) { planTools(&random) }
            plan.append(.turnEnd)
        }
        plan.append(.agentEnd)
        if !isCumulative { plan.append(.settled) }
    }

    private func planTools(_ random: inout SeededGenerator) {
        let ids = (0..<Int.random(in: 1...2, using: &random)).map { _ -> String in
            number += 1
            return "call-\(number)"
        }
        plan += ids.map { .toolStart($0) }
        for round in 0..<Int.random(in: 0...4, using: &random) { plan += ids.map { .toolUpdate($0, round) } }
        plan += ids.map { .toolEnd($0) }
    }

    /// Writes what comes next.
    func advance(_ random: inout SeededGenerator) {
        guard !plan.isEmpty else { return }
        switch plan.removeFirst() {
        case .agentStart: emit(["type": "agent_start"])
        case .user: whole(["role": "user", "content": .string(text(&random))])
        case .assistantStart:
            content = []
            emit(["type": "message_start", "message": assistant])
        case .block(let index): block(index, &random)
        case .assistantEnd:
            messages.append(assistant.text)
            emit(["type": "message_end", "message": assistant])
        case .toolStart(let id): emit(["type": "tool_execution_start", "toolCallId": .string(id), "toolName": "bash"])
        case .toolUpdate(let id, let round):
            emit([
                "type": "tool_execution_update", "toolCallId": .string(id),
                "partialResult": .string(String(repeating: "line\n", count: round * 20)),
            ])
        case .toolEnd(let id):
            emit(["type": "tool_execution_end", "toolCallId": .string(id), "isError": false])
            whole(["role": "toolResult", "toolCallId": .string(id), "content": .string(text(&random))])
        case .turnEnd: emit(["type": "turn_end"])
        case .agentEnd: emit(isCumulative ? ["type": "agent_end"] : ["type": "agent_end", "willRetry": false])
        case .settled: emit(["type": "agent_settled"])
        }
    }

    private var assistant: JSON {
        ["role": "assistant", "content": .array(content)]
    }

    private func whole(_ message: JSON) {
        emit(["type": "message_start", "message": message])
        messages.append(message.text)
        emit(["type": "message_end", "message": message])
    }

    private func block(_ index: Int, _ random: inout SeededGenerator) {
        let kind = random.chance(70) ? "text" : "thinking"
        content.append(["type": .string(kind), kind: ""])
        update(["type": .string(kind + "_start"), "contentIndex": .int(index)])
        var whole = ""
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let delta = text(&random)
            whole += delta
            content[index] = ["type": .string(kind), kind: .string(whole)]
            update(["type": .string(kind + "_delta"), "contentIndex": .int(index), "delta": .string(delta)])
        }
        update(["type": .string(kind + "_end"), "contentIndex": .int(index), "content": .string(whole)])
    }

    private func update(_ event: JSON) {
        guard isCumulative, var object = event.object else {
            return emit(["type": "message_update", "assistantMessageEvent": event])
        }
        object["partial"] = assistant
        emit(["type": "message_update", "assistantMessageEvent": .object(object), "message": assistant])
    }

    private func text(_ random: inout SeededGenerator) -> String {
        let pieces = ["a", " ", "\u{2028}", "\"", "\\", "\n", "😀", "é", "\u{0}", "word "]
        let length = random.chance(2) ? 600 : Int.random(in: 1...12, using: &random)
        return (0..<length).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    }
}
