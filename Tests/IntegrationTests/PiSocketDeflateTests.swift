import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// The same conversation, compressed and not, from the real program.
@Suite("pi-socket and viewers that take compressed messages") struct PiSocketDeflateTests {
    @Test("a compressed viewer gets the frames of a plain one, in either dialect, and may come in between")
    func same() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(
            ["--standalone", "--pi", "pi-demo --rate 0"], cwd: try fixture.makeFolder("work"))
        let token = try fixture.token()
        for stream in ["delta", "full", nil] {
            let hello: JSONObject? = stream.map { ["stream": .string($0)] }
            let plain = try await Viewer(agent.url, token: token, hello: hello)
            var compressed: [Viewer] = []
            for run in 1...4 {
                let viewer = try await Viewer(agent.url, token: token, hello: hello, compresses: true)
                _ = try await viewer.frame("a snapshot") { $0["type"] == "welcome" || $0["type"] == "init_state" }
                compressed.append(viewer)
                if stream == nil {
                    plain.send("say \(run)")
                } else {
                    plain.command(["type": "prompt", "message": .string("say \(run)")])
                }
                try await Self.settled(plain, times: run)
                for (index, viewer) in compressed.enumerated() {
                    try await Self.settled(viewer, times: run - index)
                }
            }
            let frames = Self.events(plain)
            #expect(frames.count > 20)
            for viewer in compressed {
                let own = Self.events(viewer)
                #expect(own.count > 5 && Array(own) == frames.suffix(own.count))
            }
            for viewer in compressed + [plain] { await viewer.close() }
        }
    }

    /// The stream's frames up to the end of the last run, which are the same for everybody.
    private static func events(_ viewer: Viewer) -> ArraySlice<ByteBuffer> {
        let frames = viewer.frames.all.filter { frame in
            !["welcome", "init_state", "queue", "response"].contains((try? JSON(parsing: frame))?["type"]?.string ?? "")
        }
        return frames[...(frames.lastIndex(where: isEnd) ?? -1)]
    }

    private static func isEnd(_ frame: ByteBuffer) -> Bool {
        let json = (try? JSON(parsing: frame)) ?? .null
        return (json["payload"] ?? json)["type"] == "agent_settled"
    }

    private static func settled(_ viewer: Viewer, times: Int) async throws {
        try await viewer.wait("\(times) runs that have ended") { $0.all.count(where: isEnd) >= times }
    }

    @Test("it says so in its answer, and declines what it cannot serve") func negotiation() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(
            ["--standalone", "--pi", "pi-demo --rate 0"], cwd: try fixture.makeFolder("work"))
        let token = try fixture.token()
        for (offer, isAgreed) in [("permessage-deflate; client_max_window_bits", true), ("x-other", false)] {
            let connection = try await RawConnection.connect(to: agent.url.port)
            await connection.send(
                [
                    "GET /ws HTTP/1.1", "Host: 127.0.0.1:\(agent.url.port)", "Upgrade: websocket",
                    "Connection: Upgrade",
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                    "Authorization: Bearer \(token.secret)", "Sec-WebSocket-Extensions: \(offer)", "", "",
                ].joined(separator: "\r\n"))
            try await connection.received.wait("an answer") { bytes, hasEnded in
                hasEnded || String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n")
            }
            let head = String(decoding: connection.received.bytes, as: UTF8.self).lowercased()
            #expect(head.hasPrefix("http/1.1 101 "))
            #expect(head.contains("permessage-deflate; client_no_context_takeover") == isAgreed)
            await connection.close()
        }
    }
}
