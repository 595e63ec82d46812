import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// What a real pi wrote, played back through a bridge, arrives as it was.
@Suite("pi-socket carries records") struct PiSocketReplayTests {
    static let records: [String] = {
        let names = (FileManager.default.enumerator(atPath: folder)?.allObjects as? [String]) ?? []
        return names.filter { $0.hasSuffix(".jsonl") }.sorted()
    }()

    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().path + "/Fixtures/pi-rpc"

    @Test("each line of a record arrives byte for byte, in order, and with consecutive numbers", arguments: records)
    func replay(record: String) async throws {
        let path = Self.folder + "/" + record
        let expected = try Self.lines(path)
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent([
            "--standalone", "--pi", "\(Fixture.executable("pi-replay")) \(path)",
        ])
        let token = try fixture.token()
        let viewport = try await Viewer(agent.url, token: token)
        let session = try await Viewer(agent.url, token: token, hello: [:], subprotocols: ["pi-server.v1"])
        try await viewport.wait("init_state") { !$0.all.isEmpty }
        let welcome = try await session.frame("welcome") { $0["type"] == "welcome" }
        session.command(["id": 1, "type": "prompt", "message": "go"])

        let isLast: @Sendable (JSON) -> Bool = { $0["type"] == "replay_end" || $0["payload"]?["type"] == "replay_end" }
        _ = try await viewport.frame("the end of the record", where: isLast)
        _ = try await session.frame("the end of the record", where: isLast)

        let raw = viewport.frames.all.dropFirst().filter { !Self.isOurs($0) }
        #expect(raw.count == expected.count + 1)
        #expect(raw.dropLast().elementsEqual(expected))
        try check(session.frames, after: welcome, expected)
        kill(agent.process.pid, SIGTERM)
        #expect(try await agent.process.waitForExit() == .status(0))
    }

    private func check(_ frames: Viewer.Frames, after welcome: JSON, _ expected: [ByteBuffer]) throws {
        var number = try #require(welcome["currentSeq"]?.int)
        var payloads: [ByteBuffer] = []
        for frame in frames.all.dropFirst() {
            let json = try JSON(parsing: frame)
            // The answer to our own prompt has no number.
            guard let seq = json["seq"]?.int else { continue }
            #expect(seq == number + 1)
            number = seq
            if let payload = Self.payload(frame, json).map(ByteBuffer.init(string:)), !Self.isOurs(payload) {
                payloads.append(payload)
            }
        }
        #expect(payloads.dropLast().elementsEqual(expected))
    }

    /// The record in a session frame: what stands behind `payload`, or the frame without its number.
    private static func payload(_ frame: ByteBuffer, _ json: JSON) -> String? {
        let text = String(buffer: frame)
        if json["type"] == "event", let start = text.firstRange(of: "\"payload\":") {
            return String(text[start.upperBound...].dropLast())
        }
        return text.firstRange(of: "{\"seq\":\(json["seq"]?.text ?? ""),").map { "{" + text[$0.upperBound...] }
    }

    /// What the bridge says of its own: a dialog whose time has passed.
    private static func isOurs(_ frame: ByteBuffer) -> Bool {
        String(buffer: frame).hasPrefix("{\"type\":\"extension_ui_resolved\"")
    }

    private static func lines(_ path: String) throws -> [ByteBuffer] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap { entry in
            let json = try JSON(parsing: String(entry))
            return json["dir"] == "out" ? json["line"]?.string.map(ByteBuffer.init(string:)) : nil
        }
    }
}
