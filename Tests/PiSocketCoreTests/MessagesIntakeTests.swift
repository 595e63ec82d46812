import HypiWire
import NIOCore
import PiAdapter
import Testing

@testable import PiSocketCore

@Suite("MessagesIntake") struct MessagesIntakeTests {
    private static let head =
        #"{"id":"h1","type":"response","command":"get_messages","success":true,"data":{"messages":["#

    /// The answer with these messages, read in pieces of random length; `nil` if it is not taken for the answer.
    private func read(
        _ text: String, _ demand: MessagesIntake.Demand, _ random: inout SeededGenerator
    ) -> (answer: JSON, messages: MessageIndex?)? {
        var rest = ByteBuffer(string: text)
        guard let beginning = rest.readSlice(length: min(rest.readableBytes, 100)),
            case .taken(var intake) = MessagesIntake.open(beginning, demand, isOurs: { $0 == "h1" })
        else { return nil }
        while rest.readableBytes > 0 {
            let longest = random.chance(10) ? 2 << 20 : 70_000
            let length = Int.random(in: 1...longest, using: &random)
            if let piece = rest.readSlice(length: min(length, rest.readableBytes)) { intake.append(piece) }
        }
        let (answer, messages) = intake.finish()
        return ((try? JSON(parsing: answer)) ?? .null, messages)
    }

    private func message(_ number: Int, _ byteCount: Int) -> String {
        #"{"role":"user","n":\#(number),"content":"\#(String(repeating: "é\\n", count: byteCount / 4))"}"#
    }

    @Test(
        "everyone who waits gets the same as if all had been held, whatever is let go of",
        arguments: 0..<40 as Range<UInt64>)
    func holdsWhatIsWanted(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let messages = (0..<Int.random(in: 0...60, using: &random)).map {
            message($0, Int.random(in: 0...(random.chance(20) ? 900_000 : 3000), using: &random))
        }
        let separator = random.chance(50) ? "," : " ,\t"
        let array = "[" + messages.joined(separator: separator) + "]"
        var demand = MessagesIntake.Demand()
        demand.byteCount = Int.random(in: 0...2_000_000, using: &random)
        let pages = (0..<3).map { _ in
            (before: Int.random(in: -2...70, using: &random), limit: Int.random(in: 0...20, using: &random))
        }
        for page in pages { demand.pages[page.before] = max(demand.pages[page.before] ?? 0, page.limit) }
        demand.messageCount = pages.map(\.limit).max() ?? 0
        let text = Self.head + array.dropFirst() + #","more":[[1]]},"tail":{}}"#
        let found = try #require(read(text, demand, &random))
        #expect(found.answer == ["id": "h1", "type": "response", "command": "get_messages", "success": true])
        let held = try #require(found.messages)
        let all = MessageIndex(ByteBuffer(string: array))
        for byteLimit in [0, demand.byteCount / 2, demand.byteCount] {
            #expect(held.newest(byteLimit: byteLimit) == all.newest(byteLimit: byteLimit))
        }
        for page in pages {
            let own = held.page(before: page.before, limit: page.limit)
            let other = all.page(before: page.before, limit: page.limit)
            #expect(own?.array == other?.array && own?.oldestIndex == other?.oldestIndex, "\(page)")
        }
        #expect(held.page(before: nil, limit: demand.messageCount) == all.page(before: nil, limit: demand.messageCount))
    }

    @Test("what was not wanted in time is not there, and is not made up") func isNotThere() throws {
        var random = SeededGenerator(seed: 1)
        let text = Self.head + (0..<100).map { message($0, 1000) }.joined(separator: ",") + "]}}"
        var demand = MessagesIntake.Demand()
        demand.byteCount = 5000
        let held = try #require(read(text, demand, &random)?.messages)
        #expect(held.newest(byteLimit: 5000)?.total == 100)
        #expect(held.newest(byteLimit: 5001) == nil)
        #expect(held.page(before: 50, limit: 10) == nil)
        #expect(held.page(before: 0, limit: 10)?.array == ByteBuffer(string: "[]"))
        #expect(held.page(before: 98, limit: 1)?.oldestIndex == 97)
    }

    @Test("a conversation longer than any record is told, and no more of it held than is wanted") func long() throws {
        var random = SeededGenerator(seed: 2)
        let megabyte = #"{"text":"\#(String(repeating: "x", count: 1 << 20))"}"#
        let text = Self.head + Array(repeating: megabyte, count: 70).joined(separator: ",") + ",\"end\"]}}"
        var demand = MessagesIntake.Demand()
        demand.byteCount = 1000
        let newest = try #require(read(text, demand, &random)?.messages?.newest(byteLimit: 1000))
        #expect(newest == MessagesSlice(total: 71, oldestIndex: 70, array: ByteBuffer(string: "[\"end\"]")))
        // One that wants everything gets as much as a record may hold.
        demand.byteCount = Limits.recordBytes
        let all = try #require(read(text, demand, &random)?.messages?.newest(byteLimit: .max))
        #expect(all.oldestIndex == 7 && all.array.readableBytes <= Limits.recordBytes + 2)
    }

    @Test(
        "an answer that is cut off or no JSON says that it failed",
        arguments: ["1,2", "1,2]", "1,2]}", "1,,2]}}", "\"\u{1}\"]}}", "1]}}x", "1]},\"a\":}"])
    func malformed(rest: String) throws {
        var random = SeededGenerator(seed: 3)
        let found = try #require(read(Self.head + rest, MessagesIntake.Demand(), &random))
        #expect(found.messages == nil)
        #expect(found.answer["success"] == false && found.answer["id"] == "h1")
    }

    @Test("one message that is longer than a record may be ends it") func tooLong() throws {
        let opening = MessagesIntake.open(ByteBuffer(string: Self.head + "\""), MessagesIntake.Demand()) { _ in true }
        guard case .taken(var intake) = opening else { return #expect(Bool(false)) }
        let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 20)
        for _ in 0..<63 { intake.append(piece) }
        #expect(intake.fault == nil)
        intake.append(piece)
        #expect(intake.fault == .tooLong)
        #expect(intake.finish().messages == nil)
    }

    @Test(
        "another record is left alone",
        arguments: [
            #"{"type":"message_update","data":{"messages":[1]}}"#, #"{"id":"h1","data":{"messages":[1]}}"#,
            #"{"id":"h2","type":"response","command":"get_messages","success":true,"data":{"messages":[1]}}"#,
            #"{"id":"h1","type":"response","command":"get_messages","success":true,"data":{"messages":{"a":[]}}}"#,
            #"{"id":"h1","type":"response","command":"get_messages","success":true,"data":[[]]}"#,
            #"{"id":"h1","type":"response","command":"get_messages","data":{"more":[],"messages":[1]}}"#, "x", "",
        ])
    func declined(text: String) {
        var random = SeededGenerator(seed: 4)
        #expect(read(text, MessagesIntake.Demand(), &random) == nil)
    }

    /// A pi that writes down what it is asked.
    private final class Listener: PiInput {
        private(set) var questions: [String] = []

        func write(line: ByteBuffer) {
            guard let json = try? JSON(parsing: line), json["type"] == "get_messages" else { return }
            questions.append(json["id"]?.string ?? "")
        }
    }

    @Test("who comes while pi tells its messages and wants more of them is served by the next answer") func late()
        throws
    {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        let pi = Listener()
        stage.hub.intakeThreshold = 1
        stage.hub.started(pi)
        let first = FakeClient(name: 1, shape: .sessionDelta, historyLimit: 100)
        first.connect(stage.hub)
        let answer = { (id: String) in
            Self.head.replacing("h1", with: id) + (0..<9).map { self.message($0, 1000) }.joined(separator: ",")
                + "]}}\n"
        }
        let id = try #require(pi.questions.last)
        stage.hub.received(ByteBuffer(string: String(answer(id).prefix(5000))))
        let second = FakeClient(name: 2, shape: .sessionDelta)
        second.connect(stage.hub)
        #expect(pi.questions.count == 1)
        stage.hub.received(ByteBuffer(string: String(answer(id).dropFirst(5000))))
        for client in [first, second] { client.read(1 << 20) }
        #expect(first.hasSnapshot && first.messages.count == 1)
        #expect(!second.hasSnapshot)
        let next = try #require(pi.questions.last)
        #expect(next != id)
        stage.hub.received(ByteBuffer(string: answer(next)))
        second.read(1 << 20)
        #expect(second.hasSnapshot && second.messages.count == 9)
    }
}
