import HypiWire
import Testing

/// With `--wire` records have the keys and the order that this version of a real pi gave them.
@Suite("Wire versions", .serialized)
struct WireVersionTests {
    /// A version and where its recordings are.
    struct Wire: CustomTestStringConvertible {
        let version: String
        let folder: String
        var testDescription: String { version }

        var isSettled: Bool { folder > "real-0.8" }

        var end: String { isSettled ? "agent_settled" : "agent_end" }

        func output(_ name: String) throws -> [JSON] {
            try Recording("\(folder)/\(name)").output
        }
    }

    static let wires = [
        Wire(version: "0.79", folder: "real-0.79.7"), Wire(version: "0.84", folder: "real-0.84.4"),
        Wire(version: "0.87", folder: "real-0.87.0"), Wire(version: "1.0", folder: "real-1.0.3"),
    ]
    private static let recordings = ["02a-text", "04a-tools", "05a-busy", "07a-retry-succeeds", "09d-compact"]
    /// Keys that only the provider of the recordings adds, or that depend on the request.
    private static let optional: Set<String> = [
        "responseId", "rawStopReason", "cacheWrite1h", "index", "thinkingSignature", "partialJson",
    ]

    private func start(_ wire: Wire, rate: Int = 0) throws -> DemoProcess {
        try DemoProcess(["--wire", wire.version, "--thinking", "off"], rate: rate)
    }

    private func run(_ demo: DemoProcess, _ wire: Wire, _ prompt: String, ends: Int = 1) throws -> [JSON] {
        demo.send(["id": "p", "type": "prompt", "message": .string(prompt)])
        var left = ends
        return try demo.records { record in
            if record["type"]?.string == wire.end { left -= 1 }
            return left == 0
        }
    }

    private func shapes(_ records: [JSON]) -> Set<Shape> {
        let all = records.reduce(into: Set<Shape>()) { $0.formUnion(Shape.all(in: $1)) }
        return Set(all.map { Shape(name: $0.name, keys: $0.keys.filter { !Self.optional.contains($0) }) })
    }

    /// What pi sent from its first response to a prompt through the end of this many runs.
    private func recordedRun(_ wire: Wire, _ name: String, ends: Int = 1) throws -> [JSON] {
        let output = try wire.output(name)
        let start = try #require(output.firstIndex { $0["command"] == "prompt" })
        var left = ends
        var part: [JSON] = []
        for record in output[start...] where record["command"] != "get_state" {
            part.append(record)
            if record["type"]?.string == wire.end { left -= 1 }
            if left == 0 { break }
        }
        return part
    }

    @Test("a text comes in the recorded order, the system's message only in the first run", arguments: wires)
    func text(_ wire: Wire) throws {
        let demo = try start(wire)
        let first = try run(demo, wire, "hello")
        #expect(try sequence(first) == sequence(recordedRun(wire, "02a-text")))
        let second = try run(demo, wire, "again")
        #expect(!sequence(second).contains("message_start system"))
        let messages = try demo.ask(["type": "get_messages"])["data"]?["messages"]?.array ?? []
        let system = wire.folder > "real-0.85" ? ["system"] : []
        #expect(messages.compactMap { $0["role"]?.string } == system + ["user", "assistant", "user", "assistant"])
    }

    @Test("a retry comes in the recorded order", arguments: wires)
    func retry(_ wire: Wire) throws {
        let demo = try start(wire)
        let ends = wire.isSettled ? 1 : 3
        #expect(
            try sequence(run(demo, wire, "/retry 2", ends: ends))
                == sequence(recordedRun(wire, "07a-retry-succeeds", ends: ends)))
    }

    @Test("a compaction and one that fails come in the recorded order", arguments: wires)
    func compaction(_ wire: Wire) throws {
        let isPart = { (record: JSON) in
            record["command"] == "compact" || record["type"]?.string?.hasPrefix("compaction_") == true
        }
        let demo = try start(wire)
        _ = try run(demo, wire, "hello")
        var records: [JSON] = []
        for id in ["first", "second"] {
            demo.send(["id": .string(id), "type": "compact"])
            records += try demo.records { DemoProcess.isResponse($0, .string(id)) }
        }
        let recorded = try wire.output("09d-compact").filter(isPart)
        #expect(sequence(records.filter(isPart)) == sequence(recorded).suffix(6))
        #expect(shapes(records.filter(isPart)).isSubset(of: shapes(recorded)))
    }

    @Test("every object has recorded keys", arguments: wires)
    func keys(_ wire: Wire) throws {
        let recorded = shapes(try Self.recordings.flatMap(wire.output))
        let demo = try start(wire)
        var records = try run(demo, wire, "hello") + run(demo, wire, "!echo a; echo b")
        for type in ["get_state", "get_messages", "get_session_stats"] {
            records.append(try demo.ask(["type": .string(type)]))
        }
        for shape in shapes(records).subtracting(recorded) { Issue.record("pi \(wire.version) did not send \(shape)") }
    }

    @Test("queued prompts are reported and answered as recorded", arguments: wires)
    func queue(_ wire: Wire) throws {
        let demo = try start(wire, rate: 300)
        demo.send(["id": "p", "type": "prompt", "message": "/long 300"])
        var records = try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "q", "type": "prompt", "message": "refused"])
        demo.send(["id": "r", "type": "prompt", "message": "last", "streamingBehavior": "followUp"])
        demo.send(["id": "s", "type": "steer", "message": "first"])
        records += try demo.records { $0["type"]?.string == wire.end }
        let recorded = shapes(try wire.output("05a-busy"))
        for shape in shapes(records).subtracting(recorded) { Issue.record("pi \(wire.version) did not send \(shape)") }
        let dispositions = records.filter { $0["type"] == "response" }.map { $0["data"]?["disposition"]?.string }
        #expect(
            dispositions == (wire.version == "1.0" ? ["started", nil, "queued", "queued"] : [nil, nil, nil, nil]))
        #expect(records.contains { $0["type"] == "queue_update" })
    }

    @Test("an abort runs or keeps what is queued, as recorded", arguments: wires)
    func abortWithQueue(_ wire: Wire) throws {
        let demo = try start(wire, rate: 300)
        demo.send(["id": "p", "type": "prompt", "message": "/long 5000"])
        try demo.records { $0["type"] == "message_update" }
        demo.send(["id": "f", "type": "follow_up", "message": "queued"])
        try demo.records { DemoProcess.isResponse($0, "f") }
        demo.send(["id": "x", "type": "abort"])
        let before = try demo.records { DemoProcess.isResponse($0, "x") }
        let ran = { (records: [JSON]) in
            records.contains { $0["type"] == "message_end" && $0["message"]?["content"]?[0]?["text"] == "queued" }
        }
        #expect(ran(before) == (wire.version == "0.84"))
        if wire.version == "0.79" { #expect(ran(try demo.records { $0["type"] == "agent_end" })) }
        if wire.folder > "real-0.85" {
            #expect(try demo.ask(["type": "get_state"])["data"]?["pendingMessageCount"] == 1)
            #expect(ran(try run(demo, wire, "next")))
        }
    }

    @Test("--wire 0.58 is the same as --cumulative")
    func oldest() throws {
        let orders = try [["--wire", "0.58"], ["--cumulative"]].map {
            try sequence(DemoProcess($0).prompt("x", isCumulative: true))
        }
        #expect(orders[0] == orders[1])
        #expect(orders[0].last == "agent_end")
    }
}
