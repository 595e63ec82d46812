import Foundation
import HypiWire
import Testing

@testable import HypivisorCore

/// What may be seen of the disk, and what may not.
@Suite("Directories")
struct DirectoryBrowserTests {
    private func code(_ body: () throws(RegistryFault) -> Void) -> RegistryFault.Code? {
        do {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test("A listing has the visible folders in the order of their bytes, and no files")
    func lists() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        for name in ["beta", "alpha", "Zulu", "äther", ".hidden", "with space"] { try folder.make(name) }
        try folder.write("file", "")
        let roots = try Roots([folder.path], home: nil)
        let listing = try DirectoryBrowser.listing(of: nil, in: roots, agents: [folder.path + "/alpha": 3])
        #expect(listing.current == folder.path)
        #expect(listing.entries.map(\.name) == ["Zulu", "alpha", "beta", "with space", "äther"])
        #expect(listing.entries.map(\.agentCount) == [0, 3, 0, 0, 0])
        #expect(listing.json["directories"] == ["Zulu", "alpha", "beta", "with space", "äther"])
    }

    @Test("A folder with .git, a folder or a file, is a git working tree")
    func git() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("clone/.git")
        try folder.make("worktree")
        try folder.write("worktree/.git", "gitdir: /elsewhere")
        try folder.make("plain")
        let listing = try DirectoryBrowser.listing(of: nil, in: try Roots([folder.path], home: nil), agents: [:])
        #expect(listing.entries.map { "\($0.name) \($0.isGit)" } == ["clone true", "plain false", "worktree true"])
        #expect(listing.entries.first?.path == folder.path + "/clone")
    }

    @Test("A link to a folder inside the roots is shown, one that leaves them or leads nowhere is not")
    func links() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("root/real")
        try folder.make("other")
        try folder.link("root/inside", to: "real")
        try folder.link("root/outside", to: "../other")
        try folder.link("root/broken", to: "nowhere")
        try folder.link("root/loop", to: "loop")
        let roots = try Roots([folder.path + "/root"], home: nil)
        #expect(
            try DirectoryBrowser.listing(of: nil, in: roots, agents: [:]).entries.map(\.name) == ["inside", "real"])
    }

    @Test("Folders that cannot be read are left out", .enabled(if: getuid() != 0, "root reads everything"))
    func unreadable() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let closed = try folder.make("closed")
        try folder.make("open")
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: closed)
        defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: closed) }
        let roots = try Roots([folder.path], home: nil)
        #expect(try DirectoryBrowser.listing(of: nil, in: roots, agents: [:]).entries.map(\.name) == ["open"])
    }

    @Test("Ten thousand folders are listed, all of them and in order")
    func many() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let names = (0..<10_000).map { "d\(10_000 + $0)" }
        let made = names.shuffled().count { mkdir("\(folder.path)/\($0)", 0o700) == 0 }
        #expect(made == names.count)
        let listing = try DirectoryBrowser.listing(of: nil, in: try Roots([folder.path], home: nil), agents: [:])
        #expect(listing.entries.map(\.name) == names)
    }

    @Test("Nothing outside the roots is seen: neither by .., nor by a sibling's prefix, nor through a link")
    func outside() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("user/sub")
        try folder.make("user2")
        try folder.link("user/away", to: "../user2")
        let roots = try Roots([folder.path + "/user"], home: folder.path + "/user")
        for path in ["/user/..", "/user2", "/user/../user2", "/user/away", "/user/sub/../../user2", ""] {
            let whole = folder.path + path
            #expect(
                code { () throws(RegistryFault) in _ = try DirectoryBrowser.listing(of: whole, in: roots, agents: [:]) }
                    == .outsideRoots, "\(whole)")
        }
        for path in ["/user", "/user/", "/user/sub/..", "/user//sub", "/user/./sub"] {
            _ = try DirectoryBrowser.listing(of: folder.path + path, in: roots, agents: [:])
        }
    }

    @Test("~ is the home folder, a relative path is refused, and what is not there is not found")
    func paths() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("sub")
        try folder.write("file", "")
        let roots = try Roots([folder.path], home: folder.path)
        #expect(try roots.resolve("~") == folder.path)
        #expect(try roots.resolve("~/sub") == folder.path + "/sub")
        #expect(code { () throws(RegistryFault) in _ = try roots.resolve("sub") } == .invalidParams)
        #expect(code { () throws(RegistryFault) in _ = try roots.resolve("/a\u{0}b") } == .invalidParams)
        #expect(code { () throws(RegistryFault) in _ = try roots.resolve(folder.path + "/none") } == .notFound)
        #expect(
            code { () throws(RegistryFault) in
                _ = try DirectoryBrowser.listing(of: folder.path + "/file", in: roots, agents: [:])
            } == .notFound)
    }

    @Test("A root that is a link counts as the folder it leads to")
    func linkedRoot() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("real/sub")
        try folder.link("link", to: "real")
        let roots = try Roots([folder.path + "/link"], home: nil)
        #expect(try roots.resolve(folder.path + "/link/sub") == folder.path + "/real/sub")
        #expect(try roots.resolve(folder.path + "/real/sub") == folder.path + "/real/sub")
    }

    @Test("The root / holds everything")
    func everything() throws {
        let roots = try Roots(["/"], home: nil)
        #expect(roots.contains("/"))
        #expect(roots.contains("/usr/bin"))
        #expect(try DirectoryBrowser.listing(of: nil, in: roots, agents: [:]).entries.contains { $0.path == "/usr" })
    }
}
