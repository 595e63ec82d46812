import Foundation
import HypiTestSupport

/// Programs that see other files than the rest of the machine: a mount namespace of their own, which ends with them.
enum OwnMounts {
    /// Whether this machine lets us; it takes root.
    static let areAvailable: Bool = {
        guard getuid() == 0 else { return false }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        process.arguments = ["-m", "sh", "-c", "mount --bind /etc/hosts /etc/resolv.conf"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// Starts one of the built executables, for which these texts stand in the place of files in /etc.
    static func start(
        _ words: String, _ files: [String: String], _ fixture: Fixture, environment: [String: String] = [:]
    ) throws -> TestProcess {
        var mounts = ""
        for (name, text) in files {
            try text.write(toFile: fixture.home + "/" + name, atomically: true, encoding: .utf8)
            mounts += "mount --bind \(fixture.home)/\(name) /etc/\(name) && "
        }
        return try TestProcess(
            "/usr/bin/unshare", ["-m", "sh", "-c", "\(mounts)exec \(Fixture.executables)/\(words)"],
            environment: fixture.environment.merging(environment) { $1 }, cwd: fixture.home)
    }
}
