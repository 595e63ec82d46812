import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@testable import HypivisorCore

/// Agents that serve TLS: of the node's record nothing but its pin says whom the relay believes.
@Suite("Relay to agents with a certificate")
struct RelayPinTests {
    /// Runs `body` with an agent whose certificate it made itself, and the certificate's pin.
    private func withAgent(_ body: (TestRegistry, FakeAgent, RegistryPeer, String) async throws -> Void) async throws {
        try await TestRegistry.run { registry in
            let made = try SelfSigned(names: ["elsewhere"])
            let (file, key) = (registry.folder.path + "/cert.pem", registry.folder.path + "/key.pem")
            try made.certificate.write(toFile: file, atomically: true, encoding: .utf8)
            try made.key.write(toFile: key, atomically: true, encoding: .utf8)
            let certificate = try TLSCertificate(certificateFile: file, keyFile: key)
            let agent = try await FakeAgent.start(token: registry.token, certificate: certificate)
            let peer = try await registry.peer(query: "role=agent")
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(registry, agent, peer, "\(#require(certificate.pin))"))
            } catch {
                outcome = .failure(error)
            }
            await agent.stop()
            try outcome.get()
        }
    }

    @Test("the pinned certificate is believed, whatever name it is for; after a change the new pin counts")
    func pinned() async throws {
        try await withAgent { registry, agent, peer, pin in
            let other = String(repeating: "0a", count: 32)
            _ = try await peer.result(
                "register",
                RegistryPeer.node("a", port: agent.server.port, ["instance": "i", "tls_pin": .string(other)]))
            let refused = try await registry.viewer("a")
            #expect(try await refused.text().contains("its certificate has another pin: \(pin)"))
            #expect(try await refused.closure().code == .policyViolation)
            _ = try await peer.result("update", ["id": "a", "tls_pin": .string(pin)])
            let viewer = try await registry.viewer("a")
            let end = try #require(try await agent.connections.next("the relay at the agent"))
            viewer.send(text: "hello")
            #expect(try await end.text() == "hello")
        }
    }

    @Test("a pin that is none lets nobody through, and no token goes out", arguments: ["", "short", "system"])
    func malformed(_ pin: String) async throws {
        try await withAgent { registry, agent, peer, _ in
            _ = try await peer.result(
                "register", RegistryPeer.node("a", port: agent.server.port, ["instance": "i", "tls_pin": .string(pin)]))
            let refused = try await registry.viewer("a")
            let words = "Cannot reach agent: its tls_pin is not a SHA-256 fingerprint"
            #expect(try JSON(parsing: try await refused.text())["error"]?.string == words)
        }
    }
}
