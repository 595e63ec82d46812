import Foundation
import Testing

@testable import PiSocketCore

/// Who works on which session file; locks of one process on two descriptors conflict as those of two do.
@Suite("Session leases")
struct SessionLeaseTests {
    private func withFolder(_ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("lease-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url.resolvingSymlinksInPath().path)
    }

    private func holder(of file: String, _ folder: String) -> SessionLease.Fault? {
        do throws(SessionLease.Fault) {
            try SessionLease(folder: folder, id: "other").hold(file)
            return nil
        } catch {
            return error
        }
    }

    @Test("A second agent is refused with the id of the first, by whatever path it names the file")
    func aliases() throws {
        try withFolder { folder in
            let file = folder + "/s.jsonl"
            try "{}\n".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(symlink(file, folder + "/link") == 0 && link(file, folder + "/hard") == 0)
            #expect(symlink(folder, folder + "/in") == 0)
            let lease = SessionLease(folder: folder, id: "a-1")
            try lease.hold(file)
            // Again, as after a restart of pi.
            try lease.hold(file)
            for alias in [file, folder + "/link", folder + "/hard", folder + "/./s.jsonl", folder + "/in/s.jsonl"] {
                #expect(holder(of: alias, folder) == .inUse(file: alias, by: "a-1"))
            }
            #expect(holder(of: folder + "/t.jsonl", folder) == nil)
        }
    }

    @Test("A session that pi has not written yet is taken by its path, and still is once the file is there")
    func notYet() throws {
        try withFolder { folder in
            let file = folder + "/new.jsonl"
            let lease = SessionLease(folder: folder, id: "a-1")
            try lease.hold(file)
            #expect(holder(of: folder + "/./new.jsonl", folder) != nil)
            try "{}\n".write(toFile: file, atomically: true, encoding: .utf8)
            #expect(holder(of: file, folder) == .inUse(file: file, by: "a-1"))
        }
    }

    @Test("A session is free once its agent has gone or works on another one; a refused agent keeps what it has")
    func released() throws {
        try withFolder { folder in
            let (one, two) = (folder + "/1", folder + "/2")
            do {
                let lease = SessionLease(folder: folder, id: "a-1")
                try lease.hold(one)
                let other = SessionLease(folder: folder, id: "a-2")
                try other.hold(two)
                #expect(throws: SessionLease.Fault.inUse(file: two, by: "a-2")) { try lease.hold(two) }
                #expect(holder(of: one, folder) == .inUse(file: one, by: "a-1"))
                try other.hold(folder + "/3")
                try lease.hold(two)
                #expect(holder(of: one, folder) == nil)
            }
            #expect(holder(of: two, folder) == nil)
        }
    }

    @Test("Without a place for locks nobody is refused, and it is said")
    func unavailable() {
        #expect(holder(of: "/tmp/x.jsonl", "/nowhere/at/all") != nil)
        guard case .unavailable(_, ENOENT) = holder(of: "/tmp/x.jsonl", "/nowhere/at/all") else {
            Issue.record("a fault that names the folder")
            return
        }
    }
}
