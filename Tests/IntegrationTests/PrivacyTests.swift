import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// What others on this machine can read.
@Suite("Files and logs", .serialized)
struct PrivacyTests {
    /// Everything below a folder, and the folder itself, with its permissions.
    private func modes(_ folder: String) throws -> [String: Int] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return try ([folder] + names.map { folder + "/" + $0 }).reduce(into: [:]) { modes, path in
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            modes[path] = try #require(attributes[.posixPermissions] as? Int)
        }
    }

    @Test(
        "are their owner's alone, whatever the umask allows; a stricter umask is honoured",
        arguments: ["0", "077", "0277"])
    func modes(_ umask: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        // The folders, and the token with umask 0: what is made read-only could not be made at all.
        let (hypivisor, _) = try await fixture.startHypivisor()
        for arguments in [
            "--detach --id back", "--id front --log-file \(fixture.home)/.local/state/hyper-pi/front.log",
        ] {
            let line = "umask \(umask); exec \(Fixture.executable("pi-socket")) --port 0 --no-extension \(arguments)"
            let agent = try TestProcess(
                "/bin/sh", ["-c", line], environment: fixture.environment, cwd: fixture.home)
            let ready = try JSON(parsing: try await agent.line(0, timeout: .seconds(60)))
            #expect(ready["event"]?.string == "ready")
            kill(pid_t(try #require(ready["pid"]?.int)), SIGTERM)
            _ = try await agent.waitForExit(timeout: .seconds(60))
        }
        hypivisor.signal(SIGTERM)
        #expect(try await hypivisor.waitForExit(timeout: .seconds(60)) == .status(0))
        let all = try modes(fixture.home + "/.config/hyper-pi")
            .merging(try modes(fixture.home + "/.local/state/hyper-pi")) { $1 }
        #expect(all.keys.contains { $0.hasSuffix("/token") } && all.keys.contains { $0.hasSuffix("/back.log") })
        for (path, mode) in all { #expect(mode & 0o077 == 0, "\(path): \(String(mode, radix: 8))") }
        for name in ["log/back.log", "front.log"] {
            #expect(all[fixture.home + "/.local/state/hyper-pi/" + name] == (umask == "0277" ? 0o400 : 0o600))
        }
    }

    @Test("of a fresh home are 0600 and its folders 0700, where the umask forbids nothing", arguments: ["0", "077"])
    func freshHome(_ umask: String) async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        func start(_ words: String) throws -> TestProcess {
            try TestProcess(
                "/bin/sh", ["-c", "umask \(umask); exec \(Fixture.executables)/\(words)"],
                environment: fixture.environment,
                cwd: fixture.home)
        }
        let hypivisor = try start("hypivisor --port 0 --tls-self-signed")
        _ = try await hypivisor.line(0, timeout: .seconds(60))
        let agent = try start("pi-socket --port 0 --detach --id one")
        let ready = try JSON(parsing: try await agent.line(0, timeout: .seconds(60)))
        for words in ["hypi-attach -p hello one", "hypi-attach -p '!true' one"] {
            let (exit, _, errors) = try await start(words).finish(timeout: .seconds(60))
            #expect(exit == .status(0), "\(errors)")
        }
        let all: [String: Int] = try modes(fixture.home)
        for end in [
            "/token", "/tls-cert.pem", "/tls-key.pem", "/one.log", "/hyper-pi-tools.js", "/hypivisor.url", ".jsonl",
        ] {
            #expect(all.keys.contains { $0.hasSuffix(end) }, "no \(end) in \(all.keys.sorted())")
        }
        // The home itself is the test's.
        for (path, mode) in all where path != fixture.home {
            var isFolder: ObjCBool = false
            #expect(FileManager.default.fileExists(atPath: path, isDirectory: &isFolder))
            #expect(mode == (isFolder.boolValue ? 0o700 : 0o600), "\(path): \(String(mode, radix: 8))")
        }
        kill(pid_t(try #require(ready["pid"]?.int)), SIGTERM)
        try await Fixture.end(of: [pid_t(try #require(ready["pid"]?.int))])
        hypivisor.signal(SIGTERM)
        #expect(try await hypivisor.waitForExit(timeout: .seconds(60)) == .status(0))
    }

    @Test("hold no text of a conversation at the usual level")
    func prompts() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let (hypivisor, _) = try await fixture.startHypivisor()
        let agent = try await fixture.startAgent(["--id", "quiet"])
        let wait = try await fixture.run("hypi-ls", ["--wait", "ready", "quiet", "--timeout", "60"])
        #expect(wait.exit == .status(0), "\(wait.errors)")
        let words = "zebra-\(UUID().uuidString)"
        for line in [words, "!echo \(words)"] {
            let answer = try await fixture.run("hypi-attach", ["-p", line, "quiet"])
            #expect(answer.exit == .status(0), "\(answer.errors)")
        }
        for process in [agent.process, hypivisor] {
            process.signal(SIGTERM)
            let end = try await process.finish(timeout: .seconds(60))
            #expect(end.exit == .status(0))
            #expect(!end.errors.isEmpty)
            #expect(!end.errors.contains(words))
        }
    }
}
