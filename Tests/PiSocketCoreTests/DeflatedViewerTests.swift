import Foundation
import HypiNet
import HypiTestSupport
import HypiWire
import NIOCore
import Testing

@testable import PiSocketCore

@Suite("Viewers that take compressed messages") struct DeflatedViewerTests {
    @Test("each assembles pi's messages like any other, in random schedules of both kinds", arguments: 0..<2)
    func schedules(half: Int) throws {
        let environment = ProcessInfo.processInfo.environment
        let first = environment["HYPI_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...1 << 40)
        let count =
            environment["HYPI_SEED"] == nil ? (environment["HYPI_SCHEDULES"].flatMap(UInt64.init) ?? 400) / 2 : 1
        var totals = Schedule.Totals()
        for seed in first..<first + count {
            let schedule = Schedule(seed: seed, compresses: true)
            let faults = schedule.run()
            try #require(faults.isEmpty, "HYPI_SEED=\(seed): \(faults.prefix(3).joined(separator: "; "))")
            totals.add(schedule.totals)
        }
        #expect(count == 1 || totals.compressed > 10 * count, "\(totals)")
    }

    @Test("a snapshot is compressed once for all who get it, and the stream for all of one window") func shared() throws
    {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        var random = SeededGenerator(seed: 3)
        for _ in 0..<40 {
            stage.pi.beginRun(&random)
            while !stage.pi.isIdle { stage.pi.advance(&random) }
            stage.hub.received(stage.pi.takeOutput(&random))
            stage.settle()
        }
        let clients = [15, 15, 12, nil].enumerated().map { name, bits in
            FakeClient(name: name, shape: .sessionDelta, windowBits: bits)
        }
        for client in clients { client.connect(stage.hub) }
        stage.settle()
        for client in clients { client.read(1 << 20) }
        #expect(clients.allSatisfy { $0.hasSnapshot })
        #expect(clients.map { $0.compressedCount } == [1, 1, 1, 0])
        #expect(Set(clients.map { $0.messages }).count == 1)
        #expect(stage.hub.lastDeflated == nil)

        stage.pi.beginRun(&random)
        while !stage.pi.isIdle { stage.pi.advance(&random) }
        stage.hub.received(stage.pi.takeOutput(&random))
        stage.settle()
        for client in clients { client.read(1 << 20) }
        #expect(clients[0].compressedCount > 3 && clients[0].compressedCount == clients[2].compressedCount)
        #expect(clients[3].compressedCount == 0)
        #expect(Set(clients.map { $0.messages }).count == 1)
        #expect(clients.flatMap { $0.faults } == [])
    }

    @Test("a long answer to one alone is compressed, and takes it out of the shared stream until that begins anew")
    func history() throws {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        var random = SeededGenerator(seed: 4)
        let clients = [15, 15].enumerated().map { name, bits in
            FakeClient(name: name, shape: .sessionFull, windowBits: bits)
        }
        for client in clients { client.connect(stage.hub) }
        stage.settle()
        func talk() {
            stage.pi.beginRun(&random)
            while !stage.pi.isIdle { stage.pi.advance(&random) }
            stage.hub.received(stage.pi.takeOutput(&random))
            stage.settle()
            for client in clients { client.read(1 << 20) }
        }
        while stage.pi.messages.reduce(0, { $0 + $1.utf8.count }) < 2 * Limits.deflateRestartBytes { talk() }
        let viewer = try #require(stage.hub.viewers.values.min { $0.id < $1.id })
        /// How many compressed messages each client gets with a page for the first, and with a run behind that.
        func ask() -> [[Int]] {
            var counts = [clients.map { $0.compressedCount }]
            stage.hub.fetchHistory(viewer, before: nil, limit: 1_000_000)
            stage.settle()
            for client in clients { client.read(1 << 20) }
            counts.append(clients.map { $0.compressedCount })
            talk()
            counts.append(clients.map { $0.compressedCount })
            return (1...2).map { step in (0...1).map { counts[step][$0] - counts[step - 1][$0] } }
        }
        let first = ask()
        #expect(
            first[0] == [1, 0] && first[1][0] > 1 && first[1][0] == first[1][1], "it begins anew at once: \(first)")
        let second = ask()
        #expect(second[0] == [1, 0] && second[1][0] == 0 && second[1][1] > 1, "plain until it may again: \(second)")
        let before = clients[0].compressedCount
        for _ in 0..<400 { talk() }
        #expect(clients[0].compressedCount > before + 100)
        #expect(clients.flatMap { $0.faults } == [])
        #expect(clients[0].messages == clients[1].messages)
    }

    @Test("with nobody to read it nothing is compressed, and nothing of it stays") func nobody() {
        var broadcast = Broadcast(byteLimit: 1 << 20)
        broadcast.activate(.sessionDelta)
        weak var log: DeflatedLog?
        func hold() {
            let one = broadcast.deflatedLog(.sessionDelta, windowBits: 15)
            #expect(one != nil && broadcast.deflatedLog(.sessionDelta, windowBits: 15) === one)
            #expect(broadcast.deflatedLog(.sessionDelta, windowBits: 12) !== one)
            #expect(broadcast.deflatedLog(.sessionFull, windowBits: 15) !== one)
            log = one
            #expect(log != nil)
        }
        hold()
        #expect(log == nil)
    }
}
