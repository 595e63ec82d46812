import Foundation
import HypiTestSupport
import Testing

@testable import HypiTool

/// Which files are believed: those under the control of their user, as ssh has it.
@Suite("Files that are believed")
struct FileTrustTests {
    private let fixture: Fixture
    private let home: String

    init() throws {
        fixture = try Fixture()
        home = fixture.home
    }

    private func make(_ path: String, _ mode: mode_t, folder: Bool = false, owner: uid_t? = nil) throws -> String {
        let full = home + "/" + path
        if folder {
            try FileManager.default.createDirectory(atPath: full, withIntermediateDirectories: true)
        } else {
            try Data("text\n".utf8).write(to: URL(fileURLWithPath: full))
        }
        if let owner { try #require(chown(full, owner, owner) == 0) }
        try #require(chmod(full, mode) == 0)
        return full
    }

    private func fault(_ path: String, _ use: FileTrust.Use) -> PrivateFile.Fault? {
        do {
            try FileTrust.check(path, for: use)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "a file is refused if others can write it, and a secret if others can read it",
        arguments: [
            (0o600, nil, nil), (0o400, nil, nil), (0o644, nil, "chmod 600"), (0o640, nil, "chmod 600"),
            (0o604, nil, "chmod 600"), (0o666, "chmod go-w", "chmod go-w"), (0o620, "chmod go-w", "chmod go-w"),
            (0o602, "chmod go-w", "chmod go-w"),
        ] as [(mode_t, String?, String?)])
    func modes(mode: mode_t, trusted: String?, secret: String?) throws {
        let path = try make("file", mode)
        // A group of root's own, named so and without other members, is root itself.
        try #require(chown(path, getuid(), 12345) == 0 || getuid() != 0)
        for (use, expected) in [(FileTrust.Use.trusted, trusted), (.secret, secret)] {
            let found = fault(path, use)
            #expect(found?.remedy == expected.map { "fix it with '\($0) \(path)'" })
            #expect(found == nil || found?.failure(.system).status == .configuration)
        }
    }

    @Test("a folder that others can write is refused, wherever it is on the way; a sticky one leads on")
    func folders() throws {
        let path = try make("file", 0o600)
        _ = try make("open", 0o777, folder: true)
        _ = try make("open/inner", 0o700, folder: true)
        let inner = try make("open/inner/file", 0o600)
        #expect(fault(path, .secret) == nil)
        #expect(fault(inner, .trusted)?.path == home + "/open")
        #expect(fault(home + "/open/inner/missing", .trusted)?.path == home + "/open")
        try #require(chmod(home + "/open", 0o1777) == 0)
        #expect(fault(inner, .trusted) == nil)
        // What would be created right there is safe; a folder of ours that is shared is not.
        #expect(fault(home + "/open/new", .trusted) == nil)
        #expect(fault(home + "/open", .trusted)?.doubt == .writable(mode: 0o1777))
    }

    @Test("what belongs to another user is refused", .enabled(if: getuid() == 0))
    func owners() throws {
        let file = try make("file", 0o600, owner: 24001)
        #expect(fault(file, .trusted)?.doubt == .owner(24001))
        let folder = try make("folder", 0o755, folder: true, owner: 24001)
        let inner = try make("folder/file", 0o600)
        #expect(fault(inner, .trusted)?.path == folder)
        // Root's own things are trusted by everybody.
        try #require(chmod(inner, 0o644) == 0)
        #expect(throws: Never.self) { try FileTrust.check(inner, for: .trusted, user: 24001) }
        #expect(throws: PrivateFile.Fault.self) { try FileTrust.check(inner, for: .secret, user: 24001) }
    }

    @Test("a link is followed if its target is trusted, and refused if another user made it")
    func links() throws {
        _ = try make("repository", 0o755, folder: true)
        let target = try make("repository/config", 0o644)
        let link = home + "/config"
        try #require(symlink("repository/../repository/config", link) == 0)
        #expect(fault(link, .trusted) == nil)
        try #require(chmod(target, 0o666) == 0)
        #expect(fault(link, .trusted)?.path == target)
        try #require(chmod(target, 0o644) == 0)
        _ = try make("shared", 0o1777, folder: true)
        let planted = home + "/shared/link"
        try #require(symlink(target, planted) == 0)
        #expect(fault(planted, .trusted) == nil)
        if getuid() == 0 {
            try #require(lchown(planted, 24001, 24001) == 0)
            #expect(fault(planted, .trusted)?.doubt == .owner(24001))
        }
        try #require(symlink(home + "/loop", home + "/loop") == 0)
        #expect(fault(home + "/loop", .trusted)?.code == ELOOP)
    }

    @Test("pipes and devices are read, whatever their mode")
    func special() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        #expect(fault("/dev/fd/\(ends[0])", .secret) == nil)
        #expect(fault("/dev/null", .secret) == nil)
    }

    @Test("the command that fixes a path with blanks quotes it")
    func quoting() throws {
        let path = try make("it's mine", 0o666)
        let quoted = path.replacingOccurrences(of: "'", with: #"'\''"#)
        #expect(fault(path, .trusted)?.remedy == "fix it with 'chmod go-w '\(quoted)''")
    }
}
