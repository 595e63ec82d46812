import Foundation
import HypiTestSupport
import NIOCore
import Testing

/// Random and damaged input, a share of `HYPI_FUZZ_ITERATIONS` (200,000 over all tests by default) for each test.
///
/// Each input is made from its seed alone (`HYPI_FUZZ_SEED`), which is printed with what fails. Runs of a million and more
/// are held to constant memory.
final class Fuzzer {
    private static let iterations = Effort.number("HYPI_FUZZ_ITERATIONS", default: 200_000)
    private static let seed =
        ProcessInfo.processInfo.environment["HYPI_FUZZ_SEED"].flatMap { UInt64($0) }
        ?? UInt64.random(in: .min ... .max)
    /// What may be more in the end than after the first tenth: pages that the allocator happens to hold.
    private static let growthLimit = 8 << 20

    private var failures: [String] = []

    /// Runs `body` for a share of the iterations, each with a generator that its seed alone determines.
    func run(_ share: Double, _ body: (inout SeededGenerator) throws -> Void) async throws {
        let count = max(1, Int(Double(Self.iterations) * share))
        var settled = 0
        for index in 0..<count {
            // Other tests wait for sockets meanwhile, with deadlines.
            if index % 50 == 0 { await Task.yield() }
            if index == count / 10 { settled = ResidentMemory.bytes(of: getpid()) }
            let seed = Self.seed &+ UInt64(index)
            var generator = SeededGenerator(seed: seed)
            try body(&generator)
            guard failures.isEmpty else {
                Issue.record("\(failures[0]) (HYPI_FUZZ_SEED=\(seed) HYPI_FUZZ_ITERATIONS=1)")
                return
            }
        }
        // Alone and for long, or what others hold would be counted.
        guard Self.iterations >= 1_000_000, !Effort.isSanitized else { return }
        let growth = ResidentMemory.bytes(of: getpid()) - settled
        print("\(count) inputs, \(settled >> 20) MB, grew by \(growth >> 10) KB")
        #expect(growth < Self.growthLimit, "\(growth) bytes more after \(count) inputs")
    }

    func check(_ holds: Bool, _ what: @autoclosure () -> String) {
        if !holds { failures.append(what()) }
    }

    func randomBytes(_ limit: Int, _ generator: inout SeededGenerator) -> [UInt8] {
        (0..<Int.random(in: 0...limit, using: &generator)).map { _ in .random(in: .min ... .max, using: &generator) }
    }

    /// Changes, removes or repeats a few bytes.
    func damage(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: bytes.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0: bytes[index] = .random(in: .min ... .max, using: &generator)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(bytes[index], at: index)
            default: bytes.removeSubrange(index...)
            }
        }
    }

    /// The same bytes in pieces.
    func cut(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [ByteBuffer] {
        var pieces: [ByteBuffer] = []
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Int.random(in: 1...max(1, bytes.count / 2 + 1), using: &generator))
            pieces.append(ByteBuffer(bytes: bytes[start..<end]))
            start = end
        }
        return pieces
    }
}
