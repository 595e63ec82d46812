import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import NIOPosix
import Testing

/// Folders that hypivisor may not read or write: it runs as somebody who is not root for this.
@Suite(
    "hypivisor and permissions", .serialized,
    .enabled(if: Ordinary.isAvailable, "root needs 'setpriv', and executables that nobody may run"))
struct HypivisorPermissionTests {
    /// A home with folders of every kind, a hypivisor that is bound to them, and a way to ask it.
    private struct Site {
        let fixture: Fixture
        let root: String
        let hypivisor: TestProcess
        let url: WebSocketURL
        private let forwarder: CuttingProxy

        init(_ fixture: Fixture) async throws {
            self.fixture = fixture
            root = try fixture.makeFolder("root")
            for (name, mode) in [("open", 0o755), ("closed", 0), ("readonly", 0o555), ("blind", 0o311)] {
                let folder = try fixture.makeFolder("root/" + name)
                try FileManager.default.createDirectory(atPath: folder + "/inner", withIntermediateDirectories: true)
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: folder)
            }
            try Ordinary.give(fixture.home)
            let words = Ordinary.command + [Fixture.executable("hypivisor"), "--port", "0", "--root", root]
            hypivisor = try TestProcess(
                words[0], Array(words.dropFirst()), environment: fixture.environment, cwd: fixture.home)
            let ready = try JSON(parsing: try await hypivisor.line(0, timeout: .seconds(60)))
            let url = try #require(ready["url"]?.string.flatMap { WebSocketURL($0) })
            // A client of root's does not talk to another user's hypivisor.
            forwarder = try await CuttingProxy.start(to: url, cuttingAfter: .hours(1))
            self.url = forwarder.url(for: url)
        }

        func ask(_ method: String, _ params: JSONObject) async throws -> JSON {
            let options = WebSocketClient.Options(token: try fixture.token())
            return try await RegistryClient.with(url, options: options, on: MultiThreadedEventLoopGroup.singleton) {
                try await $0.request(method, params)
            }
        }

        func refusal(_ method: String, _ params: JSONObject) async throws -> RegistryFault? {
            do {
                _ = try await ask(method, params)
                return nil
            } catch let fault as RegistryFault {
                return fault
            }
        }

        /// Makes everything readable again, so that it can be looked at and removed.
        func open() throws {
            for name in ["closed", "readonly", "blind"] {
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: root + "/" + name)
            }
        }

        func content(_ name: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: root + "/" + name)
        }
    }

    @Test("Folders that cannot be read are left out of a listing, and asked for by name they are refused")
    func directories() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let site = try await Site(fixture)
        defer { try? site.open() }
        #expect(try await site.ask("list_directories", [:])["directories"] == ["open", "readonly"])
        for name in ["closed", "blind", "closed/inner"] {
            let fault = try await site.refusal("list_directories", ["path": .string(site.root + "/" + name)])
            #expect(fault?.code == .systemError)
            #expect(fault?.message.hasSuffix(": permission denied") == true, "\(fault?.message ?? "")")
        }
        #expect(
            try await site.ask("list_directories", ["path": .string(site.root + "/readonly")])["directories"]
                == ["inner"])
    }

    @Test("An agent that may not be where it should is refused with the reason, and nothing is made or started")
    func spawning() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let site = try await Site(fixture)
        defer { try? site.open() }
        let requests: [(JSONObject, RegistryFault.Code)] = [
            (["path": .string(site.root + "/readonly"), "new_folder": "x"], .systemError),
            (["path": .string(site.root + "/readonly"), "new_folder": "inner/../x"], .invalidParams),
            (["path": .string(site.root), "new_folder": "readonly/x/y"], .systemError),
            (["path": .string(site.root), "new_folder": "closed/x"], .systemError),
            (["path": .string(site.root + "/closed")], .spawnFailed),
            (["path": .string(site.root + "/closed/inner")], .systemError),
        ]
        for (params, code) in requests {
            let fault = try await site.refusal("spawn_agent", params)
            #expect(fault?.code == code, "\(JSON.object(params).text): \(fault?.message ?? "no refusal")")
            guard code != .invalidParams else { continue }
            #expect(fault?.message.contains("permission denied") == true, "\(fault?.message ?? "")")
        }
        let others = { Fixture.processes(withHome: fixture.home).filter { $0 != site.hypivisor.pid } }
        try await Fixture.end(of: others())
        #expect(others().isEmpty)
        try site.open()
        for name in ["closed", "readonly"] { #expect(try site.content(name) == ["inner"]) }
    }

    @Test("A folder that may be passed and written, but not read, can hold a new one with an agent in it")
    func blind() async throws {
        let fixture = try Fixture()
        defer { fixture.cleanUp() }
        let site = try await Site(fixture)
        defer { try? site.open() }
        let result = try await site.ask(
            "spawn_agent", ["path": .string(site.root + "/blind"), "new_folder": "fresh/one"])
        #expect(result["path"] == .string(site.root + "/blind/fresh/one"))
        #if os(Linux)
            let pid = try #require(result["pid"]?.int)
            let cwd = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")
            #expect(cwd == site.root + "/blind/fresh/one")
        #endif
    }
}

/// How a program runs as somebody who is not root: as it is, or by `setpriv` where the tests are root's.
private enum Ordinary {
    private static let id: uid_t = 65_534
    private static let tool = "/usr/bin/setpriv"

    /// The words before a command.
    static var command: [String] {
        getuid() == 0 ? [tool, "--reuid=\(id)", "--regid=\(id)", "--clear-groups", "--"] : ["/usr/bin/env"]
    }

    /// Whether that works here, with our executables.
    static var isAvailable: Bool {
        guard getuid() == 0 else { return true }
        guard FileManager.default.isExecutableFile(atPath: tool) else { return false }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = Array(command.dropFirst()) + [Fixture.executable("hypivisor"), "--version"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    /// Makes a folder and all in it theirs.
    static func give(_ folder: String) throws {
        guard getuid() == 0 else { return }
        let paths = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        for path in [folder] + paths.map({ folder + "/" + $0 }) where lchown(path, id, id) != 0 {
            throw DeadlinePassed("cannot give away \(path): \(errno)")
        }
    }
}
