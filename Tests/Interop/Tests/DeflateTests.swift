import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

/// Compressed messages (RFC 7692) between our programs and others' implementations.
@Suite(
    "permessage-deflate of others",
    .enabled(if: !OutsidePeer.present.isEmpty, "HYPI_INTEROP_PYTHON and HYPI_INTEROP_NODE name what runs them"))
struct DeflateTests {
    private static let bare = "permessage-deflate; client_no_context_takeover"
    private static let session: JSONObject = [
        "type": "hello", "protocolVersion": 1, "clientId": "outside", "stream": "delta",
    ]

    /// What viewers offer, and what pi-socket makes of it.
    private static let offers: [(offer: JSONObject?, answer: String)] = [
        (nil, "-"), ([:], bare), (["client_no_context_takeover": true], bare),
        (["server_max_window_bits": 9], bare + "; server_max_window_bits=9"),
        (["server_max_window_bits": 14, "client_max_window_bits": 9], bare + "; server_max_window_bits=12"),
        (["server_no_context_takeover": true], "-"),
    ]

    @Test(
        "viewers of theirs get the text of a plain one, whatever they offer and whenever they come",
        arguments: OutsidePeer.present, [true, false])
    func viewers(of peer: OutsidePeer, areOfSessionDialect isSession: Bool) async throws {
        let viewers = try await OutsideViewers(peer, hello: isSession ? Self.session : nil)
        defer { viewers.fixture.cleanUp() }
        for (offer, answer) in Self.offers { #expect(try await viewers.join(offer) == answer) }
        try await viewers.run("/long 10000", by: 1)
        for (offer, answer) in Self.offers { #expect(try await viewers.join(offer) == answer) }
        // Of the longest that are compressed, and below, of those that are not.
        try await viewers.run("/big 500000", by: 0)
        // What a client compresses stands for itself, as was agreed; the second is the first once more.
        let long = String(repeating: "größer 🐦 and once more, ", count: 100)
        for _ in 1...2 { try await viewers.run(long, by: 1) }
        let longer = String(repeating: "noted,", count: 350_000)
        for _ in 1...2 { viewers.prompt("/notify " + longer, by: 4) }
        if isSession { viewers.sayAll(#"{"type":"ping"}"#) }
        try await viewers.run("/long 4000", by: 4)

        let records = try await viewers.leaveAll()
        let all = records[0].events
        #expect(all.count > 3000 && all.contains { (500_000..<1 << 20).contains($0.utf8.count) })
        let notes = all.filter { $0.hasPrefix(isSession ? "{\"seq\":" : "{\"type\":\"extension_ui_request\"") }
        #expect(try notes.map { try JSON(parsing: $0)["message"]?.string } == [longer, longer])
        #expect(all.count { (long.utf8.count..<10_000).contains($0.utf8.count) && $0.contains(long) } >= 2)
        for (index, record) in records.enumerated() {
            let (events, isLate) = (record.events, index >= Self.offers.count)
            #expect(events == all.suffix(events.count), "viewer \(index)")
            #expect(isLate ? events.count > 500 && events.count < all.count : events.count == all.count)
            let isPlain = Self.offers[index % Self.offers.count].answer == "-"
            let share = Double(record.compressedCount) / Double(record.messages.count)
            #expect(isPlain ? share == 0 : share > 0.3 && share < 1, "viewer \(index): \(share) came compressed")
        }
        let late = records[Self.offers.count...]
        #expect(Set(late.compactMap(\.messages.first)).count == 1, "a snapshot is the same, compressed or not")
    }

    @Test(
        "a viewer of theirs that comes back gets what it missed, once, and then compressed",
        arguments: OutsidePeer.present)
    func resume(_ peer: OutsidePeer) async throws {
        let viewers = try await OutsideViewers(peer, hello: Self.session)
        defer { viewers.fixture.cleanUp() }
        // The last one stays, and with it the stream that the second shares.
        for offer in [nil, [:], [:]] as [JSONObject?] { _ = try await viewers.join(offer) }
        try await viewers.run("/long 4000", by: 1)
        let before = try await viewers.leave(1)
        try await viewers.run("/long 4000", by: 0)
        let last = try JSON(parsing: try #require(before.events.last))
        let place: JSONObject = [
            "boot": try #require(try before.snapshot["boot"]), "lastSeq": try #require(last["seq"]),
        ]
        #expect(try await viewers.join([:], adding: place, missed: 1) == Self.bare)
        try await viewers.run("/long 4000", by: 2)
        let (records, texts) = try await { ($0, $0.map(\.events)) }(viewers.leaveAll())
        #expect(try records[2].snapshot["resumed"] == true)
        #expect(before.events + texts[2] == texts[0] && texts[1] == texts[0])
        #expect(records[0].compressedCount == 0)
        for record in [before, records[1], records[2]] { #expect(record.compressedCount > 100) }
    }

    @Test(
        "servers of theirs compress for a client of ours that takes it, and for no other",
        arguments: OutsidePeer.present
    )
    func server(of peer: OutsidePeer) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let server = try peer.start("server", ["s3cret"], in: fixture)
        let base = "ws://127.0.0.1:\(try await server.line(0))"
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 5 << 20]
        let texts =
            (0..<300).map { #"{"type":"event","seq":\#($0),"payload":"größer 🐦"}"# }
            + sizes.map { String(repeating: "x", count: $0) }
        let name = "permessage-deflate"
        let alone = name + "; server_no_context_takeover; client_no_context_takeover"
        let cases =
            [("/echo", false, "-")]
            + (peer == .python
                ? [("/echo", true, name + "; server_max_window_bits=12")]
                : [("/echo", true, name), ("/alone", true, alone)])
        for (number, (path, compresses, agreed)) in cases.enumerated() {
            let url = try #require(WebSocketURL(base + path))
            let echo = try await Viewer(url, token: Token("s3cret"), compresses: compresses)
            #expect(try await server.line(number + 1) == agreed)
            for text in texts { echo.send(text) }
            let frames = try await echo.wait("\(texts.count) echoes", timeout: .seconds(60)) {
                $0.all.count == texts.count || $0.closure != nil
            }
            #expect(frames.all.map { String(buffer: $0) } == texts, "\(agreed)")
            await echo.close()
        }
    }
}
