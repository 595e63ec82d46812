import Foundation
import Testing

@testable import HypivisorCore

/// New folders, where a path that was checked may lead elsewhere a moment later.
@Suite("New folders")
struct FolderTests {
    @Test("Nested folders are made, and those that are there are as good")
    func makes() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try Folder(resolved: folder.path).makeFolders(["a", "b", "c"])
        try Folder(resolved: folder.path).makeFolders(["a", "b", "d"])
        #expect(folder.exists("a/b/c") && folder.exists("a/b/d"))
    }

    @Test("A link in the way is not followed, and nothing is made behind it")
    func doesNotFollow() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.make("root")
        try folder.make("outside")
        try folder.link("root/link", to: "../outside")
        #expect(throws: SystemFault.self) { try Folder(resolved: folder.path + "/root").makeFolders(["link", "new"]) }
        #expect(!folder.exists("outside/new"))
    }

    @Test("A folder that becomes a link after it was resolved is not followed")
    func swapped() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let parent = try folder.make("root/project")
        try folder.make("outside")
        let roots = try Roots([folder.path + "/root"], home: nil)
        let resolved = try roots.resolve(parent)
        try FileManager.default.removeItem(atPath: parent)
        try folder.link("root/project", to: "../outside")
        #expect(throws: SystemFault.self) { try Folder(resolved: resolved).makeFolders(["new"]) }
        #expect(!folder.exists("outside/new"))
    }

    @Test("An open folder stays the one that was checked, whatever its path leads to by then")
    func stays() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let path = try folder.make("root/project")
        try folder.make("outside")
        let open = try Folder(resolved: path)
        try FileManager.default.moveItem(atPath: path, toPath: folder.path + "/root/moved")
        try folder.link("root/project", to: "../outside")
        try open.makeFolders(["new"])
        #expect(folder.exists("root/moved/new"))
        #expect(!folder.exists("outside/new"))
    }

    @Test("A file in the way is an error, and stays")
    func fileInTheWay() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        try folder.write("file", "text")
        #expect(throws: SystemFault(ENOTDIR)) { try Folder(resolved: folder.path).makeFolders(["file", "x"]) }
        #expect(folder.read("file") == "text")
    }
}
