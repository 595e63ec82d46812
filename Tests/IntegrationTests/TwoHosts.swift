import Foundation
import HypiTestSupport

/// Two hosts on one cable: network namespaces `a` and `b`, each with its loopback and one end of a pair of interfaces.
///
/// Needs Linux, root and `ip`. Everything is gone with the object.
final class TwoHosts: Sendable {
    /// One of the two.
    enum Host: String, Sendable { case a, b }

    private static let ip = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    private let tag: String
    private let subnet: String

    /// Whether this machine lets us make namespaces.
    static let areAvailable: Bool = {
        guard getuid() == 0, ip != nil else { return false }
        let name = "hypi-probe-\(getpid())"
        guard run(["netns", "add", name]) == 0 else { return false }
        defer { _ = run(["netns", "del", name]) }
        return run(["netns", "exec", name, "/bin/true"]) == 0
    }()

    init() throws {
        let number = Int.random(in: 1...65_000)
        tag = "hy\(number)"
        subnet = "10.\(200 + number / 256 % 50).\(number % 256)"
        let commands = [
            ["netns", "add", name(.a)], ["netns", "add", name(.b)],
            ["link", "add", link(.a), "netns", name(.a), "type", "veth", "peer", "name", link(.b), "netns", name(.b)],
        ]
        for command in commands { try Self.check(command) }
        for host in [Host.a, .b] {
            try Self.check(["-n", name(host), "addr", "add", "\(address(host))/24", "dev", link(host)])
            try Self.check(["-n", name(host), "link", "set", "lo", "up"])
            try Self.check(["-n", name(host), "link", "set", link(host), "up"])
        }
    }

    deinit {
        for host in [Host.a, .b] { _ = Self.run(["netns", "del", name(host)]) }
    }

    /// A host's address on the cable.
    func address(_ host: Host) -> String { "\(subnet).\(host == .a ? 1 : 2)" }

    /// Pulls the cable, or plugs it in again.
    func setCable(isConnected: Bool) throws {
        try Self.check(["-n", name(.b), "link", "set", link(.b), isConnected ? "up" : "down"])
    }

    /// Starts one of the built executables on a host.
    func start(
        _ tool: String, _ arguments: [String], on host: Host, environment: [String: String], cwd: String
    ) throws -> TestProcess {
        try TestProcess(
            Self.ip ?? "ip", ["netns", "exec", name(host), Fixture.executable(tool)] + arguments,
            environment: environment, cwd: cwd)
    }

    private func name(_ host: Host) -> String { "\(tag)-\(host.rawValue)" }
    private func link(_ host: Host) -> String { "\(tag)\(host.rawValue)" }

    private static func check(_ arguments: [String]) throws {
        let status = run(arguments)
        guard status == 0 else { throw DeadlinePassed("ip \(arguments.joined(separator: " ")): status \(status)") }
    }

    private static func run(_ arguments: [String]) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: ip ?? "ip")
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        do {
            try process.run()
        } catch {
            return -1
        }
        process.waitUntilExit()
        return process.terminationStatus
    }
}
