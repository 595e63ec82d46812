import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

@testable import HypivisorCore

/// Many at once.
///
/// `HYPI_TEST_SCALE` multiplies the sizes: 1 (the default) fits a small machine's few seconds, 10 is the
/// size that is promised: 5,000 agents, 50 subscribers, 1,000 relays.
@Suite("Scale", .serialized)
struct ScaleTests {
    private static let scale = ProcessInfo.processInfo.environment["HYPI_TEST_SCALE"].flatMap { Int($0) } ?? 1

    @Test("Every subscriber hears of every agent that joins and goes, in one order, and the list is right")
    func roster() async throws {
        let (agentCount, subscriberCount) = (500 * Self.scale, 5 * Self.scale)
        try await TestRegistry.run { registry in
            let subscribers = try await Self.together(subscriberCount) { _ in try await registry.peer() }
            let agents = try await Self.together(agentCount) { index in
                let agent = try await registry.peer(query: "role=agent")
                _ = try await agent.result("register", RegistryPeer.node("n\(index)", port: 1 + index))
                return agent
            }
            let listed = try #require(try await subscribers[0].result("list_nodes").array)
            #expect(Set(listed.compactMap { $0["id"]?.string }).count == agentCount)
            let late = try await RegistryPeer.connect(to: registry.url, token: registry.token)
            #expect(try await late.event("init")["nodes"]?.array?.count == agentCount)
            await withTaskGroup { tasks in
                for agent in agents { tasks.addTask { await agent.close() } }
            }
            // The first subscriber has read past its joins to the answer of list_nodes; the others hear all of them.
            let orders = try await withThrowingTaskGroup(of: [String].self) { tasks in
                for subscriber in subscribers.dropFirst() {
                    tasks.addTask { try await Self.events(agentCount, of: subscriber) }
                }
                return try await tasks.reduce(into: [[String]]()) { $0.append($1) }
            }
            #expect(Set(orders).count == 1)
            #expect(orders.first?.count { $0.hasPrefix("node_joined") } == agentCount)
        }
    }

    /// The events of one subscriber until so many nodes are offline, each with its node's id.
    private static func events(_ count: Int, of subscriber: RegistryPeer) async throws -> [String] {
        var events: [String] = []
        var offlineCount = 0
        while offlineCount < count {
            let event = try await subscriber.next("an event")
            let name = try #require(event["event"]?.string)
            let id = try #require((event["node"]?["id"] ?? event["id"])?.string)
            events.append("\(name) \(id)")
            if name == "node_offline" { offlineCount += 1 }
        }
        return events
    }

    @Test("Many relays at once carry their own frames and nobody else's")
    func relays() async throws {
        let count = 100 * Self.scale
        try await TestRegistry.run { registry in
            let echo = try await WebSocketServer.start(
                .init(host: "127.0.0.1", port: 0, policy: HandshakePolicy(token: registry.token, machine: "desk")),
                on: MultiThreadedEventLoopGroup.singleton
            ) { _ in .webSocket { _, _ in Echo() } }
            let agent = try await registry.peer(query: "role=agent")
            _ = try await agent.result("register", RegistryPeer.node("a", port: echo.port, ["instance": "i"]))
            let viewers = try await Self.together(count) { _ in try await registry.viewer("a") }
            for round in 0..<3 {
                for (index, viewer) in viewers.enumerated() { viewer.send(text: "\(index) in round \(round)") }
                for (index, viewer) in viewers.enumerated() {
                    #expect(try await viewer.text() == "\(index) in round \(round)")
                }
            }
            for viewer in viewers { viewer.close(.normal) }
            for viewer in viewers { #expect(try await viewer.closure().code == .normal) }
            await echo.stop(within: .seconds(1))
        }
    }

    /// Does something many times, a few at once, and keeps the results in order.
    private static func together<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: (Int, Value).self) { tasks in
            var values = [Value?](repeating: nil, count: count)
            var next = 0
            while next < min(count, 64) {
                tasks.addTask { [next] in (next, try await body(next)) }
                next += 1
            }
            for try await (index, value) in tasks {
                values[index] = value
                guard next < count else { continue }
                tasks.addTask { [next] in (next, try await body(next)) }
                next += 1
            }
            return values.compactMap { $0 }
        }
    }
}

/// Sends back whatever comes.
private final class Echo: WebSocketEndpoint {
    private var socket: WebSocket?

    func opened(_ socket: WebSocket) {
        self.socket = socket
    }

    func received(_ message: Message) {
        socket?.send(message: message.payload, opcode: message.isText ? .text : .binary)
    }

    func closed(_ closure: Closure) {
        socket = nil
    }
}
