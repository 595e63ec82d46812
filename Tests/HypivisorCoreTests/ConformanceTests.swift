import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@testable import HypivisorCore

/// Every row of the method table, every event and every refusal of specs/protocol.md section 1, over real sockets.
@Suite("Registry protocol")
struct ConformanceTests {
    private typealias Peer = RegistryPeer

    @Test("The first frame on every connection is init, with the shape of version 1 and a cursor")
    func initial() async throws {
        try await TestRegistry.run { registry in
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            let peer = try await Peer.connect(to: registry.url, token: registry.token)
            let first = try await peer.next()
            #expect(first["event"] == "init")
            #expect(first["protocol_version"] == "1")
            #expect(first["resumed"] == nil)
            #expect(first["cursor"]?.string?.isEmpty == false)
            #expect(first["nodes"]?.array?.count == 1)
            let node = try #require(first["nodes"]?[0]?.object)
            #expect(Array(node.members.prefix(5)).map(\.key) == ["id", "machine", "cwd", "port", "status"])
            #expect(node["status"] == "active")
        }
    }

    @Test("register answers and is told to the others with what the registry saw")
    func register() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let agent = try await registry.peer()
            let params = Peer.node(
                "a-1", ["pid": 7, "name": "N", "activity": "idle", "address": "6.6.6.6", "odd": [1]])
            let answer = try await agent.ask("register", params, id: 7)
            #expect(answer == ["id": 7, "result": ["status": "registered", "id": "a-1"]])
            let event = try await viewer.event("node_joined")
            let node = try #require(event["node"])
            #expect(node["id"] == "a-1")
            #expect(node["pid"] == 7)
            #expect(node["name"] == "N")
            #expect(node["activity"] == "idle")
            #expect(node["odd"] == [1])
            #expect(node["address"] == "127.0.0.1")
            #expect((node["last_seen"]?.int ?? 0) > 1_700_000_000)
            #expect(node["instance"] == nil)
            #expect(event["cursor"]?.string != nil)
        }
    }

    @Test(
        "A registration without a field of version 1, or with a wrong type, is refused",
        arguments: [
            ["machine": "m", "cwd": "/w", "port": 1, "status": "active"],
            ["id": "", "machine": "m", "cwd": "/w", "port": 1], ["id": "a", "machine": "m", "cwd": "/w"],
            ["id": "a", "machine": "m", "cwd": "/w", "port": 65536],
            ["id": "a", "machine": "m", "cwd": "/w", "port": "1"],
            ["id": "a", "machine": "m", "cwd": "/w", "port": 1, "instance": 1],
        ] as [JSONObject])
    func registerRefusals(_ params: JSONObject) async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            #expect(try await peer.refusal("register", params) == "invalid_params")
            #expect(try await peer.result("list_nodes") == [])
        }
    }

    @Test("A second process cannot take the id of a living agent; version 1 replaces")
    func idInUse() async throws {
        try await TestRegistry.run { registry in
            let (first, second) = (try await registry.peer(), try await registry.peer())
            _ = try await first.result("register", Peer.node("a", port: 1, ["instance": "i1"]))
            #expect(try await second.refusal("register", Peer.node("a", port: 2, ["instance": "i2"])) == "id_in_use")
            _ = try await second.result("register", Peer.node("a", port: 2, ["instance": "i1"]))
            #expect(try await second.result("list_nodes")[0]?["port"] == 2)
        }
    }

    @Test("An id is not to be had by claiming its machine and port; it is once its connection has ended")
    func takeover() async throws {
        try await TestRegistry.run { registry in
            let (first, second) = (try await registry.peer(), try await registry.peer())
            for instance in [nil, "i1"] as [JSON?] {
                var node = Peer.node("a", port: 1)
                node["instance"] = instance
                _ = try await first.result("register", node)
                for claim in [nil, "i2", ""] as [JSON?] {
                    node["instance"] = claim
                    node["cwd"] = "/impostor"
                    #expect(try await second.refusal("register", node) == "id_in_use")
                }
                #expect(try await second.result("list_nodes")[0]?["cwd"] != "/impostor")
            }
            await first.close()
            _ = try await second.result("register", Peer.node("a", port: 1, ["instance": "i2"]))
        }
    }

    @Test("A connection that is silent keeps its id until its heartbeat gives it up; then whoever claims it has it")
    func silentHolder() async throws {
        try await TestRegistry.run { configuration, _ in
            configuration.heartbeat = .milliseconds(300)
        } _: { registry in
            // It answers no ping.
            let holder = try await FramePeer.dial(registry.url, token: registry.token)
            let request: JSON = [
                "id": 1, "method": "register", "params": .object(Peer.node("a", port: 1, ["instance": "i1"])),
            ]
            holder.send(Frame(opcode: .text, payload: ByteBuffer(bytes: request.bytes)))
            while try await !String(buffer: holder.frame().payload).contains("registered") {}
            let claimant = try await registry.peer()
            _ = try await claimant.result("register", Peer.node("a", port: 9, ["instance": "i2"]))
            #expect(try await claimant.result("list_nodes")[0]?["port"] == 9)
        }
    }

    @Test("Another node on the same machine and port is removed first where it is offline, then the new one joins")
    func eviction() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let (first, second) = (try await registry.peer(), try await registry.peer())
            _ = try await first.result("register", Peer.node("a"))
            _ = try await second.result("register", Peer.node("b"))
            #expect(try await second.result("list_nodes").array?.count == 2)
            await first.close()
            _ = try await viewer.event("node_offline")
            _ = try await second.result("register", Peer.node("b"))
            let removed = try await viewer.next()
            #expect(removed["event"] == "node_removed")
            #expect(removed["id"] == "a")
            #expect(try await viewer.next()["node"]?["id"] == "b")
        }
    }

    @Test("deregister removes the caller's own node, reports an unknown one, and refuses somebody else's")
    func deregister() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let (agent, other) = (try await registry.peer(), try await registry.peer())
            _ = try await agent.result("register", Peer.node("a"))
            _ = try await other.result("register", Peer.node("b", port: 5))
            #expect(try await other.refusal("deregister", ["id": "a"]) == "forbidden")
            #expect(try await viewer.refusal("deregister", ["id": "a"]) == "forbidden")
            #expect(try await agent.refusal("deregister") == "invalid_params")
            #expect(try await agent.result("deregister", ["id": "none"]) == ["status": "not_found"])
            #expect(try await agent.result("deregister", ["id": "a"]) == ["status": "deregistered"])
            #expect(try await viewer.event("node_removed")["id"] == "a")
        }
    }

    @Test("list_nodes answers an array of nodes, version 1 fields first")
    func listNodes() async throws {
        try await TestRegistry.run { registry in
            let agent = try await registry.peer()
            #expect(try await agent.ask("list_nodes") == ["id": "q", "result": []])
            for index in 1...3 {
                _ = try await agent.result("register", Peer.node("n\(index)", port: index))
            }
            let nodes = try #require(try await agent.result("list_nodes").array)
            #expect(nodes.compactMap { $0["id"]?.string } == ["n1", "n2", "n3"])
        }
    }

    @Test("update is told as node_updated with the whole node, and only to be had from the registering connection")
    func update() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let (agent, other) = (try await registry.peer(), try await registry.peer())
            _ = try await agent.result("register", Peer.node("a", ["name": "N"]))
            #expect(try await agent.result("update", ["id": "a", "activity": "working"]) == ["status": "updated"])
            let node = try #require(try await viewer.event("node_updated")["node"])
            #expect(node["activity"] == "working")
            #expect(node["name"] == "N")
            #expect(try await other.refusal("update", ["id": "a", "activity": "idle"]) == "forbidden")
            #expect(try await agent.refusal("update", ["id": "b"]) == "not_found")
            #expect(try await agent.refusal("update", ["id": "a", "activity": 7]) == "invalid_params")
            #expect(try await agent.refusal("update", ["activity": "idle"]) == "invalid_params")
        }
    }

    @Test("An activity of a later version goes through: to the list, to events and to whoever reads them")
    func unknownActivity() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let agent = try await registry.peer(query: "role=agent")
            _ = try await agent.result("register", Peer.node("a", ["activity": "dreaming"]))
            let joined = try await viewer.event("node_joined")
            #expect(joined["node"]?["activity"] == "dreaming")
            guard case .nodeJoined(let node) = RegistryEvent.read(joined)?.event else {
                return #expect(Bool(false), "\(joined.text) is not read as an event")
            }
            #expect(node.activity == .other("dreaming"))
            _ = try await agent.result("update", ["id": "a", "activity": "sleep-walking"])
            #expect(try await viewer.event("node_updated")["node"]?["activity"] == "sleep-walking")
            let nodes = try await RegistryClient.with(
                registry.url, options: .init(token: registry.token), on: MultiThreadedEventLoopGroup.singleton
            ) { try await $0.listNodes() }
            #expect(nodes.map(\.activity) == [.other("sleep-walking")])
        }
    }

    @Test("stop_agent goes to the agent's connection, with force as asked")
    func stopAgent() async throws {
        try await TestRegistry.run { registry in
            let (agent, viewer) = (try await registry.peer(query: "role=agent"), try await registry.peer())
            _ = try await agent.result("register", Peer.node("a"))
            #expect(try await viewer.result("stop_agent", ["id": "a"]) == ["status": "stopping"])
            #expect(try await agent.next() == ["event": "stop_agent", "force": false])
            _ = try await viewer.result("stop_agent", ["id": "a", "force": true])
            #expect(try await agent.next() == ["event": "stop_agent", "force": true])
            #expect(try await viewer.refusal("stop_agent", ["id": "b"]) == "not_found")
            #expect(try await viewer.refusal("stop_agent", ["id": "a", "force": "yes"]) == "invalid_params")
            await agent.close()
            _ = try await viewer.event("node_offline")
            #expect(try await viewer.refusal("stop_agent", ["id": "a"]) == "offline")
        }
    }

    @Test("ping answers health, the number of nodes and the version")
    func ping() async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            _ = try await peer.result("register", Peer.node("a"))
            #expect(
                try await peer.result("ping") == ["status": "healthy", "nodes": 1, "version": .string(Version.current)])
        }
    }

    @Test("list_directories answers the shape of version 1 and the entries of version 2")
    func listDirectories() async throws {
        try await TestRegistry.run { registry in
            try registry.folder.make("one/.git")
            try registry.folder.make("two")
            let peer = try await registry.peer()
            let path = registry.folder.path
            _ = try await peer.result("register", Peer.node("a", ["cwd": .string(path + "/two")]))
            let listing = try await peer.result("list_directories")
            #expect(listing["current"] == .string(path))
            #expect(listing["directories"] == ["one", "two"])
            #expect(
                listing["entries"] == [
                    ["name": "one", "path": .string(path + "/one"), "git": true, "agents": 0],
                    ["name": "two", "path": .string(path + "/two"), "git": false, "agents": 1],
                ])
            #expect(try await peer.refusal("list_directories", ["path": "/"]) == "outside_roots")
            #expect(try await peer.refusal("list_directories", ["path": .string(path + "/x")]) == "not_found")
            #expect(try await peer.refusal("list_directories", ["path": "rel"]) == "invalid_params")
            #expect(try await peer.refusal("list_directories", ["path": 1]) == "invalid_params")
        }
    }

    @Test("What is no request is answered, with the id if there was one, and the connection stays")
    func badRequests() async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            peer.send(text: "{nope")
            let broken = try await peer.next()
            #expect(broken["code"] == "parse_error")
            #expect(broken["error"]?.string != nil)
            #expect(broken["id"] == nil)
            for (text, id) in [
                ("[1]", nil), ("{}", nil), (#"{"id":1.50}"#, "1.50"), (#"{"id":"x","method":1}"#, "\"x\""),
            ] {
                peer.send(text: text)
                let answer = try await peer.next()
                #expect(answer["code"] == "invalid_request")
                #expect(answer["id"]?.text == id)
            }
            peer.send(text: #"{"id":3,"method":"ping","params":[]}"#)
            #expect(try await peer.next()["code"] == "invalid_request")
            #expect(
                try await peer.ask("fly") == [
                    "id": "q", "error": "Method not found: fly", "code": "method_not_found",
                ])
            #expect(try await peer.result("ping")["status"] == "healthy")
        }
    }

    @Test("An id is echoed as it came", arguments: ["7", "1.0", "1e3", "\"x\"", "null", "-0"])
    func ids(_ id: String) async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            peer.send(text: #"{"method":"ping","id":\#(id)}"#)
            #expect(try await peer.next()["id"]?.text == id)
        }
    }

    @Test("A request without an id is answered without one")
    func noID() async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            peer.send(text: #"{"method":"ping"}"#)
            let answer = try await peer.next()
            #expect(answer["id"] == nil)
            #expect(answer["result"]?["status"] == "healthy")
        }
    }

    @Test("Once it has registered, a connection hears answers and agent commands only")
    func agentsHearNoRoster() async throws {
        try await TestRegistry.run { registry in
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            let other = try await registry.peer()
            _ = try await other.result("register", Peer.node("b", port: 2))
            agent.send(["id": 1, "method": "ping"])
            #expect(try await agent.next()["result"]?["nodes"] == 2)
        }
    }

    @Test("A connection with role=agent gets an empty init and no roster events")
    func agentRole() async throws {
        try await TestRegistry.run { registry in
            let first = try await registry.peer()
            _ = try await first.result("register", Peer.node("a"))
            let agent = try await Peer.connect(to: registry.url, query: "role=agent", token: registry.token)
            let initial = try await agent.next()
            #expect(initial["event"] == "init")
            #expect(initial["nodes"] == [])
            _ = try await first.result("update", ["id": "a", "name": "x"])
            agent.send(["id": 1, "method": "ping"])
            #expect(try await agent.next()["result"]?["nodes"] == 1)
        }
    }

    @Test("A lost connection turns its nodes offline, and after the TTL they are removed")
    func offline() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.nodeTTL = .seconds(3) }) { registry in
            let viewer = try await registry.peer()
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            _ = try await viewer.event("node_joined")
            await agent.close()
            let offline = try await viewer.next()
            #expect(offline["event"] == "node_offline")
            #expect(offline["id"] == "a")
            let node = try #require(try await viewer.result("list_nodes")[0])
            #expect(node["status"] == "offline")
            #expect((node["offline_since"]?.int ?? 0) > 1_700_000_000)
            #expect(try await viewer.event("node_removed")["id"] == "a")
            #expect(try await viewer.result("list_nodes") == [])
        }
    }

    @Test("A quiet agent that answers pings stays active far beyond three TTLs")
    func quietAgentStays() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.nodeTTL = .seconds(2) }) { registry in
            let viewer = try await registry.peer()
            let agent = try await registry.peer(query: "role=agent")
            _ = try await agent.result("register", Peer.node("a"))
            _ = try await viewer.event("node_joined")
            // Other nodes come and go meanwhile, each for a TTL: time has passed, and nothing else happened.
            for index in 1...4 {
                let other = try await registry.peer()
                _ = try await other.result("register", Peer.node("b\(index)", port: index))
                await other.close()
                #expect(try await viewer.event("node_removed")["id"] == .string("b\(index)"))
            }
            #expect(try await viewer.result("list_nodes")[0]?["status"] == "active")
        }
    }

    @Test("A client that comes back with its cursor gets exactly what it missed")
    func resume() async throws {
        try await TestRegistry.run { registry in
            let viewer = try await registry.peer()
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            let cursor = try #require(try await viewer.event("node_joined")["cursor"]?.string)
            await viewer.close()
            _ = try await agent.result("update", ["id": "a", "name": "one"])
            _ = try await agent.result("update", ["id": "a", "name": "two"])
            let back = try await Peer.connect(to: registry.url, query: "since=\(cursor)", token: registry.token)
            let initial = try await back.next()
            #expect(initial["resumed"] == true)
            #expect(initial["nodes"] == [])
            #expect(initial["cursor"] == .string(cursor))
            #expect(try await back.next()["node"]?["name"] == "one")
            #expect(try await back.next()["node"]?["name"] == "two")
            _ = try await agent.result("update", ["id": "a", "name": "three"])
            #expect(try await back.next()["node"]?["name"] == "three")
        }
    }

    @Test("An unknown cursor gets a full init")
    func unknownCursor() async throws {
        try await TestRegistry.run { registry in
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            let back = try await Peer.connect(to: registry.url, query: "since=old.5", token: registry.token)
            let initial = try await back.next()
            #expect(initial["resumed"] == nil)
            #expect(initial["nodes"]?.array?.count == 1)
        }
    }

    @Test("Requests run side by side: a slow one delays nobody, and too many at once are refused as busy")
    func concurrency() async throws {
        try await TestRegistry.run({ configuration, folder in
            try folder.write("wait", "#!/bin/sh\nread line < \"$HOME/gate\"\nexit 3\n", executable: true)
            configuration.spawning.command = [folder.path + "/wait"]
            configuration.spawning.environment["HOME"] = folder.path
            #expect(mkfifo(folder.path + "/gate", 0o600) == 0)
        }) { registry in
            let peer = try await registry.peer()
            for index in 0..<Limits.concurrentRequests {
                peer.send([
                    "id": .int(index), "method": "spawn_agent", "params": ["path": .string(registry.folder.path)],
                ])
            }
            #expect(try await peer.refusal("ping") == "busy")
            let other = try await registry.peer()
            #expect(try await other.result("ping")["status"] == "healthy")
        }
    }

    @Test("A client that does not read is closed with 1013, and nobody else is disturbed")
    func slowSubscriber() async throws {
        try await TestRegistry.run({ configuration, _ in configuration.outboxLimit = 1 << 20 }) { registry in
            let slow = try await FramePeer.dial(registry.url, token: registry.token)
            slow.pauseReading()
            let agent = try await registry.peer()
            let name = String(repeating: "x", count: 200_000)
            _ = try await agent.result("register", Peer.node("a"))
            for index in 0..<80 {
                _ = try await agent.result("update", ["id": "a", "name": .string(name), "tokens": .int(index)])
            }
            slow.resumeReading()
            #expect(try await slow.closure().code == .tryAgainLater)
            #expect(try await agent.result("ping")["nodes"] == 1)
        }
    }

    @Test("A frame that is too long closes the connection with 1009")
    func longFrame() async throws {
        try await TestRegistry.run { registry in
            let peer = try await registry.peer()
            peer.send(text: String(repeating: "x", count: Limits.registryMessageBytes + 1))
            #expect(try await peer.closure().code == .messageTooBig)
        }
    }

    @Test("When hypivisor stops, everybody gets 1001")
    func stops() async throws {
        let peers = Inbox<RegistryPeer>()
        try await TestRegistry.run { registry in peers.append(try await registry.peer()) }
        let peer = try #require(try await peers.next())
        #expect(try await peer.closure().code == .goingAway)
    }

    @Test("Without the token nobody gets in, and every event goes to the observer of events as well")
    func tokenAndObserver() async throws {
        let seen = Inbox<[UInt8]>()
        try await TestRegistry.run({ configuration, _ in configuration.onEvent = { seen.append($0) } }) { registry in
            await #expect(throws: ConnectError.self) { try await Peer.connect(to: registry.url, token: nil) }
            let agent = try await registry.peer()
            _ = try await agent.result("register", Peer.node("a"))
            let event = try JSON(parsing: ByteBuffer(bytes: try #require(try await seen.next("an event"))))
            #expect(event["event"] == "node_joined")
        }
    }
}
