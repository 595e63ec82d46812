import Foundation
import HypiTestSupport
import Testing

/// A real pi that `make test-pi` has installed.
struct RealPi: Sendable, CustomTestStringConvertible {
    /// The version, as PyPI names it.
    let version: String
    /// The program.
    let path: String

    var testDescription: String { "pi \(version)" }

    /// The versions under test, from `HYPI_TEST_PIS="VERSION=PATH ..."`; none under `make test`.
    static let installed: [RealPi] = {
        let list = ProcessInfo.processInfo.environment["HYPI_TEST_PIS"] ?? ""
        return list.split(separator: " ").compactMap { entry in
            let parts = entry.split(separator: "=", maxSplits: 1)
            return parts.count == 2 ? RealPi(version: String(parts[0]), path: String(parts[1])) : nil
        }
    }()
}
