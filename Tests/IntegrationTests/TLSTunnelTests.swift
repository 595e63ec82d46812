import Foundation
import HypiTestSupport
import HypiWire
import Testing

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A hypivisor with a certificate and an agent that reaches it over `wss://` alone, behind a tunnel.
@Suite("A tunnel over TLS", .serialized)
struct TLSTunnelTests {
    private static let rate = 400
    private static let length = 2000

    /// Where the two are, and how programs are started there.
    private struct Places {
        let hosts: TwoHosts?
        let here: Fixture
        let there: Fixture
        let certificates: TestCertificates
        let pair: TestCertificates.Pair
        /// The hypivisor's address as the agent sees it.
        let address: String

        init(areTwo: Bool) throws {
            hosts = areTwo ? try TwoHosts() : nil
            (here, there, certificates) = (try Fixture(), try Fixture(), try TestCertificates())
            address = hosts?.address(.a) ?? "127.0.0.1"
            pair = try certificates.issue("hub", names: ["IP:\(address)"])
        }

        func start(
            _ tool: String, _ arguments: [String], isThere: Bool = false, _ extra: [String: String] = [:]
        ) throws -> TestProcess {
            let fixture = isThere ? there : here
            let environment = fixture.environment.merging([
                "HYPI_TOKEN": "one-secret-for-both-hosts-of-a-cable",
                "HYPI_PI": Fixture.executable("pi-demo") + " --thinking off --rate \(TLSTunnelTests.rate)",
            ]) { $1 }.merging(extra) { $1 }
            if let hosts {
                return try hosts.start(
                    tool, arguments, on: isThere ? .b : .a, environment: environment, cwd: fixture.home)
            }
            return try fixture.start(tool, arguments, environment: environment)
        }

        func startHypivisor(port: Int) async throws -> (process: TestProcess, port: Int) {
            let process = try start(
                "hypivisor",
                ["--host", hosts == nil ? "127.0.0.1" : "0.0.0.0", "--port", "\(port)"] + pair.serverOptions)
            let ready = try JSON(parsing: try await process.line(0, timeout: .seconds(60)))
            return (process, try #require(ready["port"]?.int))
        }

        func cleanUp() {
            here.cleanUp()
            there.cleanUp()
            certificates.cleanUp()
        }
    }

    @Test("on one machine, with two homes: an answer through the relay survives the kill of the hypivisor")
    func oneMachine() async throws {
        try await relay(areTwo: false)
    }

    @Test(
        "on two hosts, of which one has no open port: an answer through the relay survives the kill of the hypivisor",
        .enabled(if: TwoHosts.areAvailable, "needs Linux, root and 'ip netns' that may make namespaces"))
    func twoHosts() async throws {
        try await relay(areTwo: true)
    }

    private func relay(areTwo: Bool) async throws {
        let places = try Places(areTwo: areTwo)
        defer { places.cleanUp() }
        let (first, port) = try await places.startHypivisor(port: 0)
        let registry = ["HYPIVISOR_WS": "wss://\(places.address):\(port)/ws"]
        let trust = registry.merging(["HYPI_CA_FILE": places.certificates.authority]) { $1 }
        let agent = try places.start("pi-socket", ["--port", "0", "--id", "far"], isThere: true, trust)
        let ready = try JSON(parsing: try await agent.line(0, timeout: .seconds(60)))
        let own = try #require(ready["url"]?.string)
        let node = try await listed(places)
        #expect(node.tunnel == true && (!areTwo || node.address == places.hosts?.address(.b)))
        try await refused(places, registry)

        let follower = try places.start("hypi-attach", ["--follow", own], isThere: true)
        let turn = try places.start("hypi-attach", ["-p", "/long \(Self.length)", "far", "--timeout", "200"])
        try await turn.output.wait("the beginning of the answer: \(turn.errors.text)", timeout: .seconds(60)) {
            bytes, _ in bytes.count > 100
        }
        first.signal(SIGKILL)
        _ = try await first.waitForExit()
        #expect(turn.output.bytes.count < Self.length, "the answer was over before the kill")
        let (second, _) = try await places.startHypivisor(port: port)
        let again = try await listed(places)
        #expect(again.pid == node.pid && again.tunnel == true)
        let (exit, text, errors) = try await turn.finish(timeout: .seconds(120))
        #expect(exit == .status(0) && text.count >= Self.length, "\(errors)")
        // The witness beside the agent was never cut off.
        try await follower.output.wait("the same answer", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains(text.trimmingCharacters(in: .newlines))
        }
        for process in [follower, agent, second] { process.signal(SIGTERM) }
        _ = try await second.waitForExit()
    }

    private func listed(_ places: Places) async throws -> Node {
        let wait = try places.start("hypi-ls", ["--wait", "ready", "far", "--timeout", "90"])
        #expect(try await wait.waitForExit(timeout: .seconds(100)) == .status(0), "\(wait.errors.text)")
        let list = try await places.start("hypi-ls", ["--json", "far"]).finish(timeout: .seconds(60))
        return try Node(json: JSON(parsing: list.output.trimmingCharacters(in: .newlines)))
    }

    /// An agent that does not believe the certificate does not register, and says why.
    private func refused(_ places: Places, _ registry: [String: String]) async throws {
        let doubter = try places.start("pi-socket", ["--port", "0", "--id", "doubter"], isThere: true, registry)
        try await doubter.errors.wait("a refusal: \(doubter.errors.text)", timeout: .seconds(60)) { bytes, _ in
            String(decoding: bytes, as: UTF8.self).contains("unable to get local issuer certificate")
        }
        let list = try await places.start("hypi-ls", ["-q"]).finish(timeout: .seconds(60))
        #expect(list.output == "far\n")
        doubter.signal(SIGTERM)
        _ = try await doubter.waitForExit()
    }
}
