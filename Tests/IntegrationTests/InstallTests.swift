import Foundation
import HypiTestSupport
import HypiWire
import Testing

/// `make install` and `make uninstall`, with programs that stand for those of a release build.
@Suite("Installation", .serialized)
struct InstallTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    private func make(_ words: [String], _ fixture: Fixture) async throws -> (TestProcess.Exit, String, String) {
        try await TestProcess(
            "/usr/bin/make",
            ["-s", "-C", Self.root, "BUILD=\(fixture.home)/build", "DESTDIR=\(fixture.home)/root"] + words,
            environment: ["PATH": "/usr/bin:/bin", "HOME": fixture.home]
        ).finish(timeout: .seconds(60))
    }

    /// What the build folder would hold.
    private func build(_ fixture: Fixture) throws {
        let folder = try fixture.makeFolder("build/release")
        for tool in CommandLineTests.tools {
            let file = "\(folder)/\(tool)"
            try "#!/bin/sh\nexec \(Fixture.executable(tool)) \"$@\"\n".write(
                toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
        }
    }

    private func files(_ fixture: Fixture) -> Set<String> {
        let all = FileManager.default.enumerator(atPath: fixture.home + "/root")?.allObjects as? [String] ?? []
        return Set(all.filter { $0.contains(/[^\/]*(hypi|pi-)[^\/]*$/) })
    }

    @Test("programs, completions and manual pages come and go together, below DESTDIR and PREFIX")
    func installs() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        try build(fixture)
        #expect(try await make(["PREFIX=/opt/h", "install"], fixture).0 == .status(0))
        var expected: Set<String> = []
        for tool in CommandLineTests.tools {
            expected.formUnion([
                "opt/h/bin/\(tool)", "opt/h/share/bash-completion/completions/\(tool)",
                "opt/h/share/zsh/site-functions/_\(tool)", "opt/h/share/fish/vendor_completions.d/\(tool).fish",
                "opt/h/share/man/man1/\(tool).1",
            ])
        }
        #expect(files(fixture) == expected)
        let installed = fixture.home + "/root/opt/h"
        let version = try await TestProcess(
            installed + "/bin/hypi-ls", ["--version"], environment: fixture.environment
        ).finish()
        #expect(version.output == "hypi-ls \(Version.current)\n")
        let man = try await TestProcess(
            "/usr/bin/man", ["-M", installed + "/share/man", "hypi-ls"],
            environment: fixture.environment.merging(["LC_ALL": "C.UTF-8"]) { $1 }
        ).finish()
        #expect(man.exit == .status(0))
        #expect(man.output.contains("EXIT STATUS"))
        #expect(try await make(["PREFIX=/opt/h", "uninstall"], fixture).0 == .status(0))
        #expect(files(fixture) == [])
    }

    @Test("programs older than their sources are not installed")
    func stale() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        try build(fixture)
        let mark = fixture.home + "/build/release/.complete"
        try "".write(toFile: mark, atomically: true, encoding: .utf8)
        #expect(try await make(["install"], fixture).0 == .status(0))
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: mark)
        let stale = try await make(["install"], fixture)
        #expect(stale.0 == .status(2))
        #expect(stale.2.contains("is newer than the programs (run 'make' first)"))
    }
}
