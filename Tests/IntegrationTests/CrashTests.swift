import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import Testing

/// What a program lets out of its memory when it crashes (specs/faults.md).
@Suite(
    "A program that crashes", .serialized,
    .enabled(if: !Effort.isSanitized, "a sanitizer has words of its own for a crash"))
struct CrashTests {
    /// Where a token comes from.
    enum TokenPlace: Sendable { case file, environment }

    /// What nobody may find anywhere.
    private struct Secrets {
        let token = Token.random().secret
        let words = "zebra-\(UUID().uuidString)"

        func areIn(_ text: String) -> Bool { text.contains(token) || text.contains(words) }
    }

    /// Starts a line of shell where a core would be written, with as much room for it as may be had.
    private func start(
        _ line: String, _ fixture: Fixture, _ environment: [String: String] = [:], in folder: String = "work"
    ) throws -> TestProcess {
        try TestProcess(
            "/bin/sh", ["-c", "ulimit -c $(ulimit -H -c); \(line)"],
            environment: fixture.environment.merging(environment) { $1 }, cwd: try fixture.makeFolder(folder))
    }

    /// Puts the token in its place.
    private func place(_ secrets: Secrets, in place: TokenPlace, _ fixture: Fixture) throws -> [String: String] {
        guard place == .file else { return ["HYPI_TOKEN": secrets.token] }
        let file = try fixture.makeFolder(".config/hyper-pi") + "/token"
        try Fixture.writeSecret(secrets.token, to: file)
        return [:]
    }

    /// Whether a crash leaves a core here at all, where nobody prevents it.
    private func leavesCores(_ fixture: Fixture) async throws -> Bool {
        let shell = try start("kill -SEGV $$", fixture, in: "other")
        #expect(try await shell.waitForExit() == .signal(SIGSEGV))
        return shell.hasLeftCore
    }

    /// Whether every line is one of the log's: a crash adds none.
    private func isLog(_ errors: String, of tool: String) -> Bool {
        errors.split(separator: "\n").allSatisfy { $0.contains(" \(tool): ") }
    }

    @Test(
        "leaves no core and prints nothing: no token, wherever it came from, and no word of a conversation",
        arguments: [(SIGSEGV, TokenPlace.file), (SIGABRT, .environment), (SIGTRAP, .file)])
    func silent(_ signal: Int32, _ place: TokenPlace) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secrets = Secrets()
        let environment = try self.place(secrets, in: place, fixture)
        let programs = Fixture.executables
        let hypivisor = try start("exec \(programs)/hypivisor --port 0", fixture, environment)
        _ = try await hypivisor.line(0, timeout: .seconds(60))
        let agent = try start("exec \(programs)/pi-socket --port 0 --id one", fixture, environment)
        _ = try await agent.line(0, timeout: .seconds(60))
        let wait = try await fixture.run(
            "hypi-ls", ["--wait", "ready", "one", "--timeout", "60"], environment: environment)
        #expect(wait.exit == .status(0), "\(wait.errors)")
        let list = try start("exec \(programs)/hypi-ls --watch --json", fixture, environment)
        let follower = try start("exec \(programs)/hypi-attach --follow one", fixture, environment)
        // It watches once it has seen a prompt, which is repeated until it does.
        while follower.output.bytes.isEmpty {
            let said = try await fixture.run("hypi-attach", ["-p", secrets.words, "one"], environment: environment)
            #expect(said.exit == .status(0), "\(said.errors)")
        }
        for (process, sign) in [(follower, secrets.words), (list, #""id":"one""#)] {
            try await process.output.wait(sign, timeout: .seconds(60)) { bytes, _ in
                String(decoding: bytes, as: UTF8.self).contains(sign)
            }
        }
        if try await !leavesCores(fixture) { print("this system writes no cores: that none is left proves nothing") }
        for (process, tool) in [
            (follower, "hypi-attach"), (list, "hypi-ls"), (agent, "pi-socket"), (hypivisor, "hypivisor"),
        ] {
            process.signal(signal)
            let (exit, output, errors) = try await process.finish(timeout: .seconds(60))
            #expect(exit == .signal(signal), "\(tool)")
            #expect(!process.hasLeftCore, "\(tool)")
            #expect(!secrets.areIn(errors) && !output.contains(secrets.token), "\(tool): \(errors)")
            guard process === agent || process === hypivisor else { continue }
            #expect(isLog(errors, of: tool), "\(errors)")
            #expect(output.split(separator: "\n").count == 1, "\(output)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.home + "/work") == [])
    }

    @Test(
        "for want of memory is a hypivisor's end, without a word of what it held; its agent comes to the next one",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/prlimit"), "needs prlimit"))
    func memory() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let secrets = Secrets()
        _ = try place(secrets, in: .file, fixture)
        let hypivisor = try start("exec \(Fixture.executables)/hypivisor --port 0", fixture)
        let port = try #require(try JSON(parsing: try await hypivisor.line(0, timeout: .seconds(60)))["port"]?.int)
        let agent = try await fixture.startAgent(["--id", "one"])
        let wait = try await fixture.run("hypi-ls", ["--wait", "ready", "one", "--timeout", "60"])
        #expect(wait.exit == .status(0), "\(wait.errors)")
        let said = try await fixture.run("hypi-attach", ["-p", secrets.words, "one"])
        #expect(said.exit == .status(0), "\(said.errors)")
        // What it has it keeps; there is no more.
        let limit = try TestProcess("/usr/bin/prlimit", ["--pid", "\(hypivisor.pid)", "--data=1"], environment: [:])
        #expect(try await limit.waitForExit() == .status(0))
        let token = try fixture.token()
        await Task.detached {
            var peers: [RawPeer] = []
            while peers.count < 10_000, kill(hypivisor.pid, 0) == 0 {
                // Refused, cut off, or no longer there: that is what it comes to.
                guard let peer = try? RawPeer.upgraded(port: port, token: token) else { break }
                peers.append(peer)
            }
        }.value
        let (exit, output, errors) = try await hypivisor.finish(timeout: .seconds(60))
        if case .status(let status) = exit { Issue.record("status \(status): \(errors)") }
        #expect(!hypivisor.hasLeftCore)
        #expect(!secrets.areIn(errors) && !secrets.areIn(output), "\(errors)")
        #expect(kill(agent.process.pid, 0) == 0)
        _ = try await fixture.startHypivisor()
        let again = try await fixture.run("hypi-ls", ["--wait", "ready", "one", "--timeout", "60"])
        #expect(again.exit == .status(0), "\(again.errors)")
        let answer = try await fixture.run("hypi-attach", ["--last", "one"])
        #expect(answer.output.contains(secrets.words))
    }
}
