import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// cron in a mount namespace of its own, which runs one crontab and nothing else of this machine.
private enum PrivateCron {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    static let isPossible: Bool = {
        guard getuid() == 0, FileManager.default.isExecutableFile(atPath: "/usr/sbin/cron") else { return false }
        let probe = Process()
        probe.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        probe.arguments = ["unshare", "-m", "/bin/true"]
        guard (try? probe.run()) != nil else { return false }
        probe.waitUntilExit()
        return probe.terminationStatus == 0
    }()
}

/// The crontab line of the README, run by Debian's cron.
@Suite(
    "cron", .serialized, .timeLimit(.minutes(5 * Effort.patience)),
    .enabled(if: PrivateCron.isPossible, "needs Linux, root, 'cron' and 'unshare -m' that may make namespaces"))
struct CronTests {
    /// The line as the README has it, due at every minute, with our programs and our home.
    private func crontab(_ fixture: Fixture) throws -> String {
        let readme = try String(contentsOfFile: PrivateCron.root + "/README.md", encoding: .utf8)
        let block = try #require(readme.components(separatedBy: "```crontab\n").dropFirst().first)
        let line = try #require(block.split(separator: "\n").first)
        let command = try #require(line.components(separatedBy: "0 3 * * * ").last)
        #expect(command.hasPrefix("/usr/local/bin/hypi-spawn "))
        let due = "* * * * * " + command.replacing("/usr/local/bin", with: Fixture.executables)
        // Twice, so that two ask in the same second.
        return "HOME=\(fixture.home)\n\(due)\n\(due)\n"
    }

    @Test("the README's line starts one agent with its task, from two jobs in the same minute")
    func nightly() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        _ = try await fixture.startHypivisor()
        let folder = try fixture.makeFolder("src/nightly")
        let table = fixture.home + "/crontab"
        try crontab(fixture).write(toFile: table, atomically: true, encoding: .utf8)
        let cron = try TestProcess(
            "/usr/bin/env", ["unshare", "-m", PrivateCron.root + "/Tests/Scripts/private-cron.sh", table],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        let listed = try await fixture.run(
            "hypi-ls", ["--wait", "ready", folder, "--timeout", "150"], timeout: .seconds(160))
        #expect(listed.exit == .status(0), "\(listed.errors); cron: \(cron.errors.text)")
        let node = try Node(json: JSON(parsing: listed.output))
        #expect(node.key == "nightly")
        // Whoever came second has given the task, too; the agent has both when it is idle again.
        let watch = try fixture.start("hypi-ls", ["--watch", folder])
        try await watch.output.wait("the second task's end", timeout: .seconds(60)) { bytes, _ in
            let lines = bytes.split(separator: UInt8(ascii: "\n"))
            let last = lines.last.flatMap { try? JSON(parsing: String(decoding: $0, as: UTF8.self)) }
            return last?["node"]?["activity"] == "idle" && (last?["node"]?["tokens"]?.int ?? 0) > 0
        }
        #expect(try await fixture.run("hypi-attach", ["--last", folder]).output.contains("run the tests"))
        #expect(try await fixture.run("hypi-ls", ["-q"]).output == node.id + "\n")
        cron.signal(SIGTERM)
        _ = try await cron.waitForExit()
    }
}
