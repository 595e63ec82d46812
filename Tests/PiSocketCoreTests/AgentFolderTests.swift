import Foundation
import Testing

@testable import PiSocketCore

#if canImport(System)
    import System
#else
    import SystemPackage
#endif

/// Where an agent works, and what it is called there.
@Suite("An agent's folder")
struct AgentFolderTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("agent-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: path) }
        try body(path.resolvingSymlinksInPath().path)
    }

    private func inode(_ descriptor: CInt) -> ino_t {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_ino : 0
    }

    private func inode(_ path: String) -> ino_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_ino : 0
    }

    @Test("pi starts in the folder that was opened, though its path has become a link")
    func stays() throws {
        try withFolder { base in
            try FileManager.default.createDirectory(atPath: base + "/work", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: base + "/outside", withIntermediateDirectories: true)
            let folder = try AgentFolder(base + "/work")
            let real = inode(base + "/work")
            try FileManager.default.moveItem(atPath: base + "/work", toPath: base + "/moved")
            try FileManager.default.createSymbolicLink(atPath: base + "/work", withDestinationPath: base + "/outside")
            #expect(try folder.withDescriptor { inode($0) } == real)
            #expect(folder.fault == nil)
            // Deleted, it is not looked for behind a link either.
            try FileManager.default.removeItem(atPath: base + "/moved")
            #expect(folder.fault?.path == base + "/work")
        }
    }

    @Test("A folder that was deleted is named as the fault, and one that was made again will do")
    func gone() throws {
        try withFolder { base in
            let path = base + "/work"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let folder = try AgentFolder(path)
            try FileManager.default.removeItem(atPath: path)
            #expect(folder.fault == .init(path: path, reason: "no such file or directory"))
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            #expect(folder.fault == nil)
            #expect(try folder.withDescriptor { inode($0) } == inode(path))
        }
    }

    @Test("A folder whose name is not UTF-8 is refused and not taken for the one with the repaired name")
    func notUTF8() throws {
        try withFolder { base in
            let raw = Array((base + "/x").utf8.map(CChar.init(bitPattern:))) + [CChar(bitPattern: 0xFF), 0]
            #expect(mkdir(raw, 0o755) == 0)
            #expect(symlink(raw, base + "/in") == 0)
            #expect(mkdir(base + "/x\u{FFFD}", 0o755) == 0)
            #expect(throws: AgentFolder.Fault(path: base + "/in", reason: "its real path is not UTF-8")) {
                try AgentFolder(base + "/in")
            }
            // Nor are its files listed, or it among others.
            #expect(FileLister(root: base).list(prefix: "in/").isEmpty)
            #expect(FileLister(root: base).list(prefix: "x").map(\.path) == ["x\u{FFFD}"])
        }
    }

    @Test(
        "An id begins with a letter or a digit, whatever the folder is called",
        arguments: [
            ("/src/api", "api-"), ("/", "root-"), ("/日本語", "agent-"), ("/проект", "agent-"), ("/Ångström", "ngstr-m-"),
            ("/@scope", "scope-"), ("/#x", "x-"), ("/(copy)", "copy--"), ("/-dash", "dash-"), ("/ lead", "lead-"),
            ("/.config", "config-"), ("/--", "agent-"), ("/e\u{301}tude", "e-tude-"), ("/👩‍👩‍👧", "agent-"),
        ])
    func ids(_ folder: String, _ start: String) {
        let id = PiSocketOptions.makeID(cwd: folder)
        #expect(id.hasPrefix(start) && id.count == start.count + 6, "\(id)")
    }
}
