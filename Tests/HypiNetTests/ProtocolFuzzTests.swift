import Foundation
@testable import HypiNet
import HypiWire
import NIOCore
import PiAdapter
import Testing

/// Damaged messages of both protocols, and damaged flights of TLS.
@Suite("Fuzzing of messages", .serialized)
struct ProtocolFuzzTests {
    private let fuzzer = Fuzzer()

    // MARK: The registry

    private static let node = """
        {"id":"a","machine":"desk","cwd":"/x/é","port":31416,"instance":"i","name":"n","status":"active","activity":"tool",\
        "last_seen":1.5,"started_at":17,"pid":4,"clients":2,"queued":0,"context_percent":12.5,"cost":0.25,"tunnel":true,\
        "model":"demo/large","session":"s","address":"127.0.0.1","tls_pin":"00","version":"1"}
        """
    private static let registryMessages = [
        #"{"id":1,"method":"register","params":"# + node + "}",
        #"{"id":"x","method":"update","params":{"id":"a","activity":"idle","name":null}}"#,
        #"{"id":null,"method":"spawn_agent","params":{"path":"/x","key":"k","args":["a","b"]}}"#,
        #"{"event":"init","nodes":["# + node + "," + node + #"],"protocol_version":"1","cursor":"e-1"}"#,
        #"{"event":"node_joined","node":"# + node + #","cursor":"e-2"}"#,
        #"{"event":"node_updated","node":"# + node + #","cursor":"e-3"}"#,
        #"{"event":"node_offline","id":"a","cursor":"e-4"}"#, #"{"event":"node_removed","id":"a","cursor":"e-5"}"#,
        #"{"event":"open_tunnel","tunnel":"t","subprotocol":"pi-server.v1"}"#, #"{"event":"stop_agent","force":true}"#,
        #"{"id":1,"result":{"status":"healthy"}}"#, #"{"id":1,"error":"no","code":"not_found"}"#,
    ].map { Array($0.utf8) }

    @Test("damaged messages of the registry are refused or read, and what was read is written and read the same")
    func registry() async throws {
        try await fuzzer.run(0.05) { generator in
            var bytes = Self.registryMessages.randomElement(using: &generator) ?? []
            fuzzer.damage(&bytes, &generator)
            guard let json = try? JSON(parsing: ByteBuffer(bytes: bytes)) else { return }
            if let request = try? RegistryRequest(json: json) {
                let again = try? RegistryRequest(json: request.json)
                fuzzer.check(again?.method == request.method && again?.params == request.params, "request: \(bytes)")
            }
            _ = RegistryResponse(json: json)
            if let (event, cursor) = RegistryEvent.read(json) {
                let again = RegistryEvent.read(event.json(cursor: cursor))
                fuzzer.check(again?.event == event && again?.cursor == cursor, "event: \(bytes)")
            }
        }
    }

    // MARK: pi's records

    private static let records = Result {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../Fixtures/pi-rpc")
        return try ["01-startup", "02-text", "03-thinking", "04-tools", "05-busy", "09-dialogs", "12-unicode"]
            .flatMap { name in
                try String(contentsOf: folder.appendingPathComponent(name + ".jsonl"), encoding: .utf8)
                    .split(separator: "\n").prefix(300)
                    .compactMap { try JSON(parsing: String($0))["line"]?.string.map { Array($0.utf8) } }
                    .filter { $0.count < 4000 }
            }
    }

    @Test("damaged records of pi are none or whole, and everything that follows pi takes them")
    func piRecords() async throws {
        let records = try Self.records.get()
        try #require(records.count > 300)
        var (tracker, flight) = (ActivityTracker(), InFlight())
        try await fuzzer.run(0.05) { generator in
            var bytes = records.randomElement(using: &generator) ?? []
            fuzzer.damage(&bytes, &generator)
            guard let record = PiRecord(line: ByteBuffer(bytes: bytes)) else { return }
            fuzzer.check(String(validating: bytes, as: UTF8.self) != nil, "no text: \(bytes)")
            tracker.apply(record)
            flight.apply(record)
            if Int.random(in: 0..<64, using: &generator) == 0 { (tracker, flight) = (ActivityTracker(), InFlight()) }
            if var message = PartialMessage(record) { message.apply(record) }
            _ = (record.failure, record.isOfAssistant)
            guard let answer = PiResponse(record) else { return }
            _ = (answer.data, answer.messages)
            let renamed = record.line.restoringID(ByteBuffer(string: "\"ours\""))
            fuzzer.check(PiRecord(line: renamed)?.kind == .response, "renamed: \(bytes)")
        }
    }

    // MARK: TLS

    @Test("a damaged flight of TLS is refused or waits, in whatever pieces, and no other text is ever read")
    func tls() async throws {
        let rules = try TLSRules.shared.get()
        try await fuzzer.run(0.005) { generator in
            let pair = try SessionPair(rules)
            let victim = Int.random(in: 0..<4, using: &generator)
            do {
                _ = try pair.flights { number, bytes in
                    guard number == victim else { return }
                    try give(&bytes, to: number % 2 == 0 ? pair.server : pair.client, &generator)
                }
                guard pair.client.isEstablished, pair.server.isEstablished else { return }
                let (from, to) =
                    Bool.random(using: &generator) ? (pair.client, pair.server) : (pair.server, pair.client)
                var encrypted = ByteBuffer()
                try from.write(ByteBuffer(string: "hello"), to: &encrypted)
                if victim == 3 { try give(&encrypted, to: to, &generator) } else { try to.receive(encrypted) }
                let text = try SessionPair.text(to).text
                fuzzer.check(text.isEmpty || text == "hello", "read \(text)")
            } catch is TLSError {
                // A session that has failed takes no more, and has an alert at most to say.
                for session in [pair.client, pair.server] { _ = SessionPair.output(session) }
            }
        }
    }

    /// Damages bytes and gives them to a session in pieces; nothing is left for who would have given them.
    private func give(
        _ bytes: inout ByteBuffer, to session: TLSSession, _ generator: inout SeededGenerator
    ) throws {
        var damaged = Array(buffer: bytes)
        fuzzer.damage(&damaged, &generator)
        if Int.random(in: 0..<16, using: &generator) == 0 { damaged += fuzzer.randomBytes(64, &generator) }
        for piece in fuzzer.cut(damaged, &generator) {
            try session.receive(piece)
            if !session.isEstablished { _ = try session.handshake() }
        }
        bytes.clear()
    }
}
