import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// An agent on one host and the hypivisor on another.
///
/// `HYPI_TEST_CUT` says for how many seconds the link is cut.
@Suite(
    "hypivisor and an agent on two hosts", .serialized,
    .enabled(if: TwoHosts.areAvailable, "needs Linux, root and 'ip netns' that may make namespaces"))
struct HypivisorNetworkTests {
    private static let cutSeconds = Effort.number("HYPI_TEST_CUT", default: 5)
    private static let rate = 200

    private func environment(_ fixture: Fixture) -> [String: String] {
        fixture.environment.merging([
            "HYPI_TOKEN": "one-secret-for-both-hosts-of-a-cable",
            "HYPI_PI": Fixture.executable("pi-demo") + " --thinking off --rate \(Self.rate)",
        ]) { $1 }
    }

    /// How long the agent stays listed while it is cut off, against the time the link is cut.
    enum Lease: Sendable, CaseIterable {
        /// Longer: it goes offline and comes back.
        case outlasts
        /// Shorter, as the default of 30 s against a minute: it is removed and joins anew, under its id.
        case expires
        /// Everything as it is unless one says otherwise; for a cut of a minute or more.
        case usual

        fileprivate static var tested: [Lease] { allCases.filter { $0 != .usual || cutSeconds >= 60 } }

        fileprivate var options: [String] {
            switch self {
            case .outlasts: ["--heartbeat", "1s", "--node-ttl", "5m"]
            case .expires: ["--heartbeat", "1s", "--node-ttl", "1s"]
            case .usual: []
            }
        }

        fileprivate var word: String { self == .expires ? "node_removed" : "node_offline" }
    }

    @Test(
        "the agent is listed with its address, is reached though no port of it is, and survives a cut link",
        arguments: Lease.tested)
    func twoHosts(_ lease: Lease) async throws {
        let hosts = try TwoHosts()
        let (here, there) = (try Fixture(), try Fixture())
        defer {
            here.cleanUp()
            there.cleanUp()
        }
        let url = "ws://\(hosts.address(.a)):31415/ws"
        let hypivisor = try hosts.start(
            "hypivisor", ["--host", "0.0.0.0", "--print-events"] + lease.options, on: .a,
            environment: environment(here), cwd: here.home)
        _ = try await hypivisor.line(0, timeout: .seconds(60))
        let remote = environment(there).merging(["HYPIVISOR_WS": url]) { $1 }
        let agent = try hosts.start(
            "pi-socket", ["--port", "0", "--id", "far", "--insecure"], on: .b, environment: remote, cwd: there.home)
        let ready = try JSON(parsing: try await agent.line(0, timeout: .seconds(60)))
        let port = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) }?.port)

        func tool(_ name: String, _ arguments: [String]) throws -> TestProcess {
            try hosts.start(name, arguments, on: .a, environment: environment(here), cwd: here.home)
        }
        func listed() async throws -> Node {
            let wait = try tool("hypi-ls", ["--wait", "ready", "far", "--timeout", "90"])
            #expect(try await wait.waitForExit(timeout: .seconds(100)) == .status(0), "\(wait.errors.text)")
            return try Node(json: JSON(parsing: try await tool("hypi-ls", ["--json", "far"]).line(0)))
        }
        let node = try await listed()
        #expect(node.address == hosts.address(.b))
        #expect(node.tunnel == true)

        // The bridge listens on its own loopback alone.
        let direct = try tool("hypi-attach", ["-p", "x", "--insecure", "ws://\(hosts.address(.b)):\(port)/ws"])
        #expect(try await direct.waitForExit(timeout: .seconds(60)) == .status(69))
        let relayed = try await tool("hypi-attach", ["-p", "hello", "far"]).finish(timeout: .seconds(60))
        #expect(relayed.exit == .status(0), "\(relayed.errors)")
        #expect(relayed.output.contains("> hello"))

        let length = (Self.cutSeconds + 5) * Self.rate
        let turn = try tool("hypi-attach", ["-p", "/long \(length)", "far", "--timeout", "300"])
        let follower = try hosts.start(
            "hypi-attach", ["--follow", "ws://127.0.0.1:\(port)/ws"], on: .b, environment: remote, cwd: there.home)
        try await turn.output.wait("the beginning of the answer", timeout: .seconds(60)) { bytes, _ in
            bytes.count > 100
        }
        try hosts.setCable(isConnected: false)
        let cut = ContinuousClock.now
        // The registry notices by itself, and says so.
        try await hypivisor.output.wait("\(lease.word)", timeout: .seconds(90)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains(#""event":"\#(lease.word)","id":"far""#)
        }
        // The cut itself.
        try await Task.sleep(until: cut + .seconds(Self.cutSeconds))
        try hosts.setCable(isConnected: true)
        let begin = ContinuousClock.now
        let again = try await listed()
        print("\(lease): listed again \(begin.duration(to: .now)) after the link was back")
        #expect(again.pid == node.pid)
        #expect(again.status == .active)
        let (exit, text, errors) = try await turn.finish(timeout: .seconds(120))
        #expect(exit == .status(0), "\(errors)")
        #expect(text.count >= length)
        // The witness on the agent's own host was never cut off.
        try await follower.output.wait("the same answer", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains(text.trimmingCharacters(in: .newlines))
        }
    }
}
