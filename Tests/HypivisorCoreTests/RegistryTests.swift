import HypiWire
import NIOCore
import Testing

@testable import HypivisorCore

/// The rules of the roster, without a socket or a clock.
@Suite("Registry")
struct RegistryTests {
    private let ada = ConnectionID()
    private let bob = ConnectionID()

    private func registry() -> Registry { Registry(ttl: .seconds(30), nodeLimit: 4) }

    private func at(_ seconds: Int64) -> Registry.Moment {
        .init(instant: .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000 + 1), epochSeconds: 1000 + Int(seconds))
    }

    private func node(_ id: String, _ machine: String = "desk", port: Int = 4000, cwd: String = "/w") -> Node {
        Node(id: id, machine: machine, cwd: cwd, port: port)
    }

    @Test("A registration is told as node_joined, with the time it was seen")
    func joins() throws {
        var registry = registry()
        let events = try registry.register(node("a"), instance: nil, by: ada, at: at(5))
        guard case .nodeJoined(let joined) = try #require(events.first) else { return #expect(Bool(false)) }
        #expect(events.count == 1)
        #expect(joined.status == .active)
        #expect(joined.lastSeen == 1005)
    }

    @Test("Registering again replaces the entry, keeps its place in the list and is told as node_joined")
    func replaces() throws {
        var registry = registry()
        _ = try registry.register(node("a", port: 1), instance: nil, by: ada, at: at(0))
        _ = try registry.register(node("b", port: 2), instance: nil, by: ada, at: at(0))
        let events = try registry.register(node("a", port: 3, cwd: "/new"), instance: nil, by: ada, at: at(1))
        guard case .nodeJoined = try #require(events.first) else { return #expect(Bool(false)) }
        #expect(registry.nodes.map(\.id) == ["a", "b"])
        #expect(registry.nodes.first?.cwd == "/new")
    }

    @Test("A node on the same machine and port pushes out one that is offline, and leaves one alone that lives")
    func evicts() throws {
        var registry = registry()
        _ = try registry.register(node("a"), instance: "1", by: ada, at: at(0))
        let events = try registry.register(node("b"), instance: "2", by: bob, at: at(1))
        #expect(events.count == 1)
        // However often they register, neither pushes the other out.
        #expect(try registry.register(node("a"), instance: "1", by: ada, at: at(2)).count == 1)
        #expect(registry.nodes.map(\.id) == ["a", "b"])
        _ = registry.disconnect(ada, at: at(3))
        #expect(try registry.register(node("c"), instance: "3", by: bob, at: at(4)).contains(.nodeRemoved(id: "a")))
        // Of one connection, the newest is the one that is there.
        #expect(registry.nodes.map(\.id) == ["c"])
    }

    @Test("Agents in one folder, on one port of two machines, or without a port leave each other alone")
    func leavesAlone() throws {
        var registry = registry()
        _ = try registry.register(node("a", port: 0), instance: nil, by: ada, at: at(0))
        _ = try registry.register(node("b", port: 0), instance: nil, by: ada, at: at(0))
        _ = try registry.register(node("c", "desk"), instance: nil, by: ada, at: at(0))
        _ = try registry.register(node("d", "laptop"), instance: nil, by: ada, at: at(0))
        #expect(registry.count == 4)
    }

    @Test(
        "A living agent keeps its id against another process",
        arguments: [
            ("1", "2", 2), ("1", nil, 2), (nil, "2", 2), (nil, nil, 2), ("1", "2", 1), ("1", nil, 1), (nil, nil, 1),
            ("", "", 1),
        ] as [(String?, String?, Int)])
    func keepsItsID(_ first: String?, _ second: String?, _ port: Int) throws {
        var registry = registry()
        _ = try registry.register(node("a", port: 1), instance: first, by: ada, at: at(0))
        #expect(throws: RegistryFault.self) {
            try registry.register(node("a", port: port), instance: second, by: bob, at: at(1))
        }
        do {
            _ = try registry.register(node("a", port: port), instance: second, by: bob, at: at(1))
        } catch {
            #expect(error.code == .idInUse)
        }
        #expect(registry["a"]?.owner == ada)
    }

    @Test(
        "The same process, or one that has gone, does not hold an id",
        arguments: [
            ("1", "1", 1, 2, false), ("1", "2", 1, 2, true), (nil, nil, 1, 1, true), ("1", nil, 1, 1, true),
        ] as [(String?, String?, Int, Int, Bool)])
    func givesItsID(_ first: String?, _ second: String?, _ port: Int, _ next: Int, _ hasGone: Bool) throws {
        var registry = registry()
        _ = try registry.register(node("a", port: port), instance: first, by: ada, at: at(0))
        if hasGone { _ = registry.disconnect(ada, at: at(0)) }
        _ = try registry.register(node("a", port: next), instance: second, by: bob, at: at(1))
        #expect(registry["a"]?.owner == bob)
        #expect(registry["a"]?.node.status == .active)
    }

    @Test("Two agents without a port do not count as being in the same place")
    func noPortIsNoPlace() throws {
        var registry = registry()
        _ = try registry.register(node("a", port: 0), instance: "1", by: ada, at: at(0))
        #expect(throws: RegistryFault.self) {
            try registry.register(node("a", port: 0), instance: "2", by: bob, at: at(1))
        }
    }

    @Test("The end of a connection that was replaced leaves the node alone")
    func oldConnectionEnds() throws {
        var registry = registry()
        _ = try registry.register(node("a"), instance: "1", by: ada, at: at(0))
        _ = try registry.register(node("a"), instance: "1", by: bob, at: at(1))
        #expect(registry.disconnect(ada, at: at(2)).isEmpty)
        #expect(registry["a"]?.node.status == .active)
    }

    @Test("A full registry refuses a new node and takes an old one again")
    func full() throws {
        var registry = registry()
        for index in 1...4 {
            _ = try registry.register(node("n\(index)", port: index), instance: nil, by: ada, at: at(0))
        }
        #expect(throws: RegistryFault(.busy, "the registry is full")) {
            try registry.register(node("n5", port: 5), instance: nil, by: ada, at: at(0))
        }
        _ = try registry.register(node("n4", port: 4), instance: nil, by: ada, at: at(0))
        #expect(registry.count == 4)
    }

    @Test("One connection cannot fill the registry, and may register its own again")
    func connectionLimit() throws {
        var registry = Registry(ttl: .seconds(30))
        for index in 1...Limits.connectionNodes {
            _ = try registry.register(node("n\(index)", port: 0), instance: nil, by: ada, at: at(0))
        }
        #expect(throws: RegistryFault(.busy, "a connection may register \(Limits.connectionNodes) agents")) {
            try registry.register(node("more", port: 0), instance: nil, by: ada, at: at(0))
        }
        _ = try registry.register(node("n1", port: 0), instance: nil, by: ada, at: at(1))
        _ = try registry.register(node("honest", port: 0), instance: nil, by: bob, at: at(1))
        #expect(registry.count == Limits.connectionNodes + 1)
    }

    @Test("An update changes what it names, forgets what it nulls, and cannot touch what the registry observes")
    func updates() throws {
        var registry = registry()
        var first = node("a")
        first.name = "old"
        first.model = "m"
        first.address = "10.0.0.1"
        _ = try registry.register(first, instance: nil, by: ada, at: at(0))
        let changes: JSONObject = [
            "id": "a", "name": "new", "model": nil, "address": "6.6.6.6", "last_seen": 1, "port": 9, "x": true,
        ]
        let events = try registry.update("a", changes, by: ada, at: at(9))
        let node = try #require(registry["a"]?.node)
        #expect(events == [.nodeUpdated(node)])
        #expect(node.name == "new")
        #expect(node.model == nil)
        #expect(node.address == "10.0.0.1")
        #expect(node.lastSeen == 1009)
        #expect(node.port == 4000)
        #expect(node.extra["x"] == true)
    }

    @Test("An update of nobody, by somebody else, or with a wrong type changes nothing and says why")
    func refusesUpdates() throws {
        var registry = registry()
        _ = try registry.register(node("a"), instance: nil, by: ada, at: at(0))
        let before = registry.nodes
        func code(_ id: String, _ changes: JSONObject, _ by: ConnectionID) -> RegistryFault.Code? {
            do {
                _ = try registry.update(id, changes, by: by, at: at(1))
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code("b", [:], ada) == .notFound)
        #expect(code("a", ["name": "x"], bob) == .forbidden)
        #expect(code("a", ["name": "x", "cost": "much"], ada) == .invalidParams)
        #expect(registry.nodes == before)
    }

    @Test("A node is removed by its own connection, or by a viewer once it is offline")
    func deregisters() throws {
        var registry = registry()
        _ = try registry.register(node("a", port: 1), instance: nil, by: ada, at: at(0))
        _ = try registry.register(node("b", port: 2), instance: nil, by: ada, at: at(0))
        #expect(throws: RegistryFault.self) { try registry.deregister("a", by: bob, isAgent: false) }
        #expect(try registry.deregister("a", by: ada, isAgent: true) == [.nodeRemoved(id: "a")])
        #expect(try registry.deregister("a", by: ada, isAgent: true) == [])
        _ = registry.disconnect(ada, at: at(1))
        #expect(throws: RegistryFault.self) { try registry.deregister("b", by: bob, isAgent: true) }
        #expect(try registry.deregister("b", by: bob, isAgent: false) == [.nodeRemoved(id: "b")])
    }

    @Test("A node whose connection ended is offline, and gone after the TTL")
    func goes() throws {
        var registry = registry()
        var working = node("a")
        (working.activity, working.model) = (.working, "x/y")
        _ = try registry.register(working, instance: nil, by: ada, at: at(0))
        #expect(registry.disconnect(ada, at: at(10)) == [.nodeOffline(id: "a")])
        // Nobody says any longer that it works.
        #expect(registry["a"]?.node.activity == nil)
        #expect(registry["a"]?.node.model == "x/y")
        #expect(registry["a"]?.node.offlineSince == 1010)
        #expect(registry.nextDue == at(40).instant)
        #expect(registry.expire(at: at(39)).isEmpty)
        #expect(registry.expire(at: at(40)) == [.nodeRemoved(id: "a")])
        #expect(registry.nextDue == nil)
    }

    @Test("A silent node goes after three TTLs; every sign of life begins them anew")
    func isALease() throws {
        var registry = registry()
        _ = try registry.register(node("a"), instance: nil, by: ada, at: at(0))
        registry.heard(ada, at: at(60))
        #expect(registry["a"]?.node.lastSeen == 1060)
        #expect(registry.expire(at: at(149)).isEmpty)
        #expect(registry.expire(at: at(150)) == [.nodeRemoved(id: "a")])
        registry.heard(ada, at: at(151))
        #expect(registry.count == 0)
    }
}
