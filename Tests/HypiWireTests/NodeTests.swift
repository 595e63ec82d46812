import HypiWire
import Testing

@Suite("Node")
struct NodeTests {
    @Test(
        "a node goes out as it came in, whatever activity and further fields a later version gives it",
        arguments: [
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"active"}"#,
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"offline","activity":"input-required","queued":2}"#,
            #"{"id":"a","machine":"m","cwd":"/w","port":1,"status":"active","activity":"dreaming","mood":{"x":1.0}}"#,
        ])
    func roundTrip(_ text: String) throws {
        #expect(try Node(json: try JSON(parsing: text)).json.text == text)
    }

    @Test("every activity is found by its name, and any other name is kept")
    func activities() {
        for activity in Node.Activity.allCases { #expect(Node.Activity(rawValue: activity.rawValue) == activity) }
        #expect(Set(Node.Activity.allCases).count == 8)
        #expect(Node.Activity(rawValue: "dreaming") == .other("dreaming"))
        #expect(Node.Activity(rawValue: "dreaming").rawValue == "dreaming")
    }

    private static let full: JSONObject = [
        "id": "a \"b\"", "machine": "m", "cwd": "/w\\é", "port": 1, "status": "offline", "pid": 7, "last_seen": 1000,
        "offline_since": 1001, "name": "line\nline", "session_id": "s", "session_file": "/f", "activity": "working",
        "activity_since": "t", "model": "x/y", "thinking": "high", "cost": 0.25, "tokens": 12, "context_percent": 3.5,
        "queued": 0, "clients": 2, "started_at": "t", "address": "::1", "tunnel": true, "tls_pin": "p", "spawn_id": "q",
        "key": "k", "version": "0.1.0", "mood": ["x": 1.5],
    ]

    @Test("Every field goes out in its place, as an object and as text")
    func allFields() throws {
        let node = try Node(json: .object(Self.full))
        #expect(node.json == .object(Self.full))
        var text: [UInt8] = []
        node.append(to: &text)
        #expect(String(decoding: text, as: UTF8.self) == node.json.text)
    }

    @Test("An event's text is that of its object, with a cursor and without")
    func eventText() throws {
        let nodes = [try Node(json: .object(Self.full)), Node(id: "b", machine: "m", cwd: "/w", port: 2)]
        let events: [RegistryEvent] = [
            .initial(nodes: nodes, resumed: false), .initial(nodes: [], resumed: true), .nodeJoined(nodes[0]),
            .nodeUpdated(nodes[1]), .nodeOffline(id: "a"), .nodeRemoved(id: "a"),
            .openTunnel(id: "t", subprotocol: nil), .stopAgent(force: true),
        ]
        for event in events {
            for cursor in [nil, "1f.7"] {
                let text = String(decoding: event.bytes(cursor: cursor), as: UTF8.self)
                #expect(text == event.json(cursor: cursor).text)
            }
        }
    }

    @Test("an odd optional field is left out, and the node is listed with all others")
    func oddFields() throws {
        let odd: [JSON] = [
            .null, true, "x", [], [:], try JSON(parsing: "1e999"), try JSON(parsing: "-1e308"),
            try JSON(parsing: "9223372036854775808"), try JSON(parsing: "0.5"),
        ]
        for (key, _) in Self.full.members.map({ ($0.key, $0.value) }) {
            guard !["id", "machine", "cwd", "port"].contains(key) else { continue }
            for value in odd {
                var object = Self.full
                object[key] = value
                let node = try Node(json: .object(object))
                #expect(node.name == (key == "name" ? value.string : "line\nline"))
                var text: [UInt8] = []
                node.append(to: &text)
                #expect(throws: Never.self) { try JSON(parsing: String(decoding: text, as: UTF8.self)) }
            }
        }
    }

    @Test(
        "numbers end at the bounds of their type, and none traps",
        arguments: [
            (0.0, 0), (-0.5, 0), (1.9, 1), (1e300, Int.max), (-1e300, Int.min), (.infinity, Int.max),
            (-.infinity, Int.min), (.nan, 0), (9_223_372_036_854_775_808, Int.max),
            (-9_223_372_036_854_775_808, Int.min),
        ] as [(Double, Int)])
    func clamped(number: Double, expected: Int) {
        #expect(Int(clamping: number) == expected)
        #expect(UInt16(clamping: number) == UInt16(min(max(expected, 0), 65535)))
        #expect(expected.addingClamped(1) >= expected && expected.subtractingClamped(1) <= expected)
    }
}
