import Foundation
import Testing

@testable import HypiTool

@Suite("A log file")
struct LogFileTests {
    /// A folder of its own and a descriptor whose place a log may take.
    private func withLog(_ body: (_ path: String, _ descriptor: CInt) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hypi-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC)
        defer {
            close(descriptor)
            try? FileManager.default.removeItem(atPath: folder)
        }
        try body(folder + "/log", descriptor)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test("at its size it is put aside as .1, for its owner alone, and a new one begins; no line is lost or cut")
    func rotates() throws {
        try withLog { path, descriptor in
            let log = try LogFile(path, limit: 100, descriptor: descriptor)
            for number in 0..<10 {
                #expect(log.write(Array("\(number) \(String(repeating: "x", count: 37))\n".utf8)) == 0)
            }
            #expect(try text(path).split(separator: "\n").map { $0.prefix(2) } == ["8 ", "9 "])
            #expect(try text(path + ".1").split(separator: "\n").map { $0.prefix(2) } == ["6 ", "7 "])
            for name in [path, path + ".1"] { #expect(try mode(name) == 0o600) }
        }
    }

    @Test("a line longer than the size is written whole, and the one before is put aside")
    func long() throws {
        try withLog { path, descriptor in
            let log = try LogFile(path, limit: 10, descriptor: descriptor)
            let long = String(repeating: "y", count: 50) + "\n"
            for line in [long, "short\n", long] { #expect(log.write(Array(line.utf8)) == 0) }
            #expect(try text(path) == long)
            #expect(try text(path + ".1") == "short\n")
        }
    }

    @Test("what was there before is appended to and counts; a second process follows where the first begins anew")
    func shared() throws {
        try withLog { path, first in
            try "before\n".write(toFile: path, atomically: false, encoding: .utf8)
            let second = open("/dev/null", O_WRONLY | O_CLOEXEC)
            defer { close(second) }
            let (one, two) = (
                try LogFile(path, limit: 20, descriptor: first), try LogFile(path, limit: 20, descriptor: second)
            )
            #expect(one.write(Array("first line\n".utf8)) == 0)
            #expect(two.write(Array("second line\n".utf8)) == 0)
            #expect(try text(path + ".1") == "before\nfirst line\n")
            // Its descriptor is the file that was put aside; it must not put the new one aside, too.
            #expect(one.write(Array("third\n".utf8)) == 0)
            #expect(try text(path) == "second line\nthird\n")
            #expect(try text(path + ".1") == "before\nfirst line\n")
        }
    }

    @Test("what is no file, and a folder that lets nobody rename, are written on")
    func unmovable() throws {
        try withLog { path, descriptor in
            let null = try LogFile("/dev/null", limit: 1, descriptor: descriptor)
            #expect(null.write(Array("line\n".utf8)) == 0)
            #expect(FileManager.default.fileExists(atPath: "/dev/null"))
            let full = try LogFile("/dev/full", limit: 1, descriptor: descriptor)
            #expect(full.write(Array("line\n".utf8)) == ENOSPC)
            // Its place is taken by a folder that is not empty: nobody can put it aside.
            try FileManager.default.createDirectory(atPath: path + ".1/x", withIntermediateDirectories: true)
            let stuck = try LogFile(path, limit: 5, descriptor: descriptor)
            for line in ["one\n", "two\n"] { #expect(stuck.write(Array(line.utf8)) == 0) }
            #expect(try text(path) == "one\ntwo\n")
        }
    }

    @Test("a file that cannot be opened is a failure with its name and status 73")
    func unwritable() throws {
        let failure = #expect(throws: Failure.self) { try LogFile("/nowhere/at/all.log", limit: 1, descriptor: -1) }
        #expect(failure?.status == .cannotCreate)
        #expect(failure?.line.contains("cannot write log /nowhere/at/all.log: no such file or directory") == true)
    }
}
