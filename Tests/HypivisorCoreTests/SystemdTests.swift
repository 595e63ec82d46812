import Foundation
import Testing

@testable import HypivisorCore

@Suite("systemd")
struct SystemdTests {
    @Test("The unit starts us with the given options, each as one word, and kills nobody but us")
    func unit() {
        let unit = Systemd.unit(
            executable: "/opt/bin/hypivisor", arguments: ["--root", "/a b", "100%", "$x", "q\"q"],
            variables: [("PATH", "/a:/usr/bin"), ("HYPI_PI", "my pi --x=50% $HOME \\")])
        #expect(unit.contains("\nEnvironment=PATH=/a:/usr/bin\nEnvironment=\"HYPI_PI=my pi --x=50%% $HOME \\\\\"\n"))
        // Agents would inherit it.
        let inherited = ["UMask", "NoNewPrivileges", "Lock", "Restrict", "SystemCall", "Limit", "Protect", "Private"]
        #expect(!inherited.contains { unit.contains("\n\($0)") })
        #expect(unit.contains("\nExecStart=/opt/bin/hypivisor --root \"/a b\" 100%% \"$$x\" \"q\\\"q\"\n"))
        #expect(unit.contains("\nKillMode=process\n"))
        #expect(unit.contains("\nRestart=always\n"))
        #expect(unit.contains("\nType=notify\n"))
    }

    @Test("Readiness is told to the service manager's socket, and to nobody where there is none")
    func notify() throws {
        let folder = try TestFolder()
        defer { folder.remove() }
        let path = folder.path + "/notify"
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        #expect(Systemd.notify("READY=1", socket: path) == 0)
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        #expect(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self) == "READY=1")
        #expect(Systemd.notify("READY=1", socket: nil) == 0)
        #expect(Systemd.notify("READY=1", socket: path + "-none") == ENOENT)
    }
}
