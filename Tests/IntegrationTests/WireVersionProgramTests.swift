import Foundation
import HypiTestSupport
import HypiWire
import Testing

@Suite("Programs with each version of pi", .timeLimit(.minutes(Effort.patience)))
struct WireVersionProgramTests {
    @Test(
        "hypi-attach -p prints the answer and ends with 0 when the run has ended",
        arguments: ["0.58", "0.79", "0.84", "0.87", "1.0"])
    func answer(_ version: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let agent = try await fixture.startAgent(
            ["--standalone", "--pi", "pi-demo --rate 0 --wire \(version)"], cwd: try fixture.makeFolder("project"))
        let start = ContinuousClock.now
        for prompt in ["hello there", "!echo made by a tool"] {
            let result = try await fixture.run("hypi-attach", ["-p", prompt, "--timeout", "20", "\(agent.url)"])
            #expect(result.exit == .status(0), "\(result.errors)")
            #expect(result.output.contains(prompt.hasPrefix("!") ? "made by a tool" : "> hello there"))
        }
        #expect(ContinuousClock.now - start < .seconds(15 * Effort.patience))
        agent.process.signal(SIGTERM)
    }
}
