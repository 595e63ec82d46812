import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// Many agents and dashboards in one hypivisor, measured by registry-load.
///
/// `HYPI_TEST_NODES`, `HYPI_TEST_DASHBOARDS`, `HYPI_TEST_CHURN` (seconds) and `HYPI_TEST_RELAYS` make it as large as one
/// likes.
@Suite("A hypivisor with many agents", .serialized)
struct HypivisorLoadTests {
    @Test("tells every dashboard of every join and leave, lists them all, and does not grow")
    func load() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (agents, seconds) = (
            Effort.number("HYPI_TEST_NODES", default: 300), Effort.number("HYPI_TEST_CHURN", default: 5)
        )
        let (hypivisor, _) = try await fixture.startHypivisor(["--port", "0", "--node-ttl", "2s"])
        let result = try await fixture.run(
            "registry-load",
            [
                "--agents", "\(agents)", "--subscribers", "\(Effort.number("HYPI_TEST_DASHBOARDS", default: 10))",
                "--seconds", "\(seconds)", "--sample", "\(max(1, seconds / 20))", "--pid", "\(hypivisor.pid)",
                "--patience", "600",
            ], timeout: .seconds(600 + seconds))
        #expect(result.exit == .status(0), "\(result.errors)")
        print(result.output)
        let records = try result.output.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(records.last?["phase"]?.string == "done")
        #if os(Linux)
            guard !Effort.isSanitized else { return }
            let samples = records.filter { $0["phase"]?.string == "churn" }.compactMap { $0["rss"]?.int }
            // Buffers and caches of the first moments are not growth; a leak of 1 KB a join would be seen here.
            let settled = samples.dropFirst(samples.count / 3)
            let growth = (settled.last ?? 0) - (settled.first ?? 0)
            #expect(growth < 4 << 20, "grew by \(growth) bytes: \(samples)")
        #endif
    }

    /// What is between an agent and viewers that do not read.
    enum Stall: Sendable, CaseIterable {
        /// Frames of an everyday length, to an agent that is dialled.
        case dialled
        /// The same through tunnels.
        case tunnelled
        /// One frame is longer than all that may be held.
        case longFrames

        fileprivate var options: [String] {
            switch self {
            case .dialled: []
            case .tunnelled: ["--tunnel"]
            case .longFrames: ["--frame", "8000000"]
            }
        }
    }

    @Test(
        "holds a bounded part of what viewers do not read, however long frames are, and they get it all later",
        arguments: Stall.allCases)
    func relays(_ stall: Stall) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // A viewer that does not read does not answer pings either.
        let (hypivisor, _) = try await fixture.startHypivisor(["--port", "0", "--heartbeat", "1h"])
        let count = Effort.number("HYPI_TEST_RELAYS", default: 20)
        let result = try await fixture.run(
            "relay-load", ["--relays", "\(count)", "--pid", "\(hypivisor.pid)", "--patience", "300"] + stall.options,
            timeout: .seconds(600))
        #expect(result.exit == .status(0), "\(result.errors)")
        print(result.output)
        #if os(Linux)
            let last = try JSON(parsing: String(try #require(result.output.split(separator: "\n").last)))
            guard !Effort.isSanitized else { return }
            // A piece on its way in, between the loops and on its way out, and the first costs of a process.
            let bytes = try #require(last["bytes_per_relay"]?.int)
            #expect(bytes < 640 << 10, "\(bytes) bytes for each relay that is stalled")
        #endif
    }
}
