import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// hypivisor as systemd runs it: the printed unit's command, a notify socket, signals to the main process alone
/// (`KillMode=process`), and the same command again after every end (`Restart=always`).
@Suite("hypivisor as a service", .serialized)
struct HypivisorServiceTests {
    /// Runs what the unit says, as often as it is told.
    private struct ServiceManager {
        let fixture: Fixture
        let command: [String]
        let socket: NotifySocket
        let socketPath: String

        init(_ fixture: Fixture, _ unit: String) throws {
            self.fixture = fixture
            let line = unit.split(separator: "\n").first { $0.hasPrefix("ExecStart=") }
            command = try #require(line).dropFirst("ExecStart=".count).split(separator: " ").map(String.init)
            socketPath = fixture.home + "/notify"
            socket = try #require(NotifySocket(socketPath))
        }

        /// Starts the main process and waits until it has said that it is ready, as `Type=notify` does.
        func start() throws -> TestProcess {
            let environment = fixture.environment.merging(["NOTIFY_SOCKET": socketPath]) { $1 }
            let process = try TestProcess(
                command[0], Array(command.dropFirst()), environment: environment, cwd: fixture.home)
            #expect(socket.next() == "READY=1")
            return process
        }
    }

    @Test("ready when it says so, agents outlive every end of the main process, and come back to the next one")
    func service() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let printed = try await fixture.run("hypivisor", ["--systemd-unit", "--port", "0", "--root", fixture.home])
        let systemd = try ServiceManager(fixture, printed.output)
        var main = try systemd.start()
        // Ready means ready: nothing is waited for.
        let spawned = try await fixture.run("hypi-spawn", [try fixture.makeFolder("a")], timeout: .seconds(60))
        #expect(spawned.exit == .status(0), "\(spawned.errors)")
        let node = try Node(json: JSON(parsing: spawned.output))
        let bridge = pid_t(try #require(node.pid))
        #if os(Linux)
            let environment = FileManager.default.contents(atPath: "/proc/\(bridge)/environ") ?? Data()
            #expect(!String(decoding: environment, as: UTF8.self).contains("NOTIFY_SOCKET"))
        #endif

        for signal in [SIGKILL, SIGTERM] {
            main.signal(signal)
            if signal == SIGTERM { #expect(systemd.socket.next() == "STOPPING=1") }
            let exit = try await main.waitForExit(timeout: .seconds(60))
            #expect(exit == (signal == SIGTERM ? .status(0) : .signal(signal)))
            #expect(kill(bridge, 0) == 0)
            main = try systemd.start()
            let waited = try await fixture.run(
                "hypi-ls", ["--wait", "ready", node.id, "--timeout", "60"], timeout: .seconds(90))
            #expect(waited.exit == .status(0), "\(waited.errors)")
            let listing = try await fixture.run("hypi-ls", ["--json", node.id])
            #expect(try Node(json: JSON(parsing: listing.output)).pid == node.pid)
        }
    }
}
