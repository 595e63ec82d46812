import Foundation
import HypiNet
import HypiWire
import Logging
import NIOCore
import NIOEmbedded
import PiAdapter
import Testing

@testable import PiSocketCore

/// Whatever viewers do, each has in the end what pi has.
///
/// `HYPI_SCHEDULES` sets how many schedules are tried, `HYPI_SEED` tries one again.
@Suite("Snapshot and stream meet") struct SessionPropertyTests {
    @Test("what each viewer has assembled equals pi's messages, in a thousand random schedules", arguments: 0..<4)
    func schedules(quarter: Int) throws {
        let environment = ProcessInfo.processInfo.environment
        if let seed = environment["HYPI_SEED"].flatMap(UInt64.init) {
            try check(Schedule(seed: seed))
            return
        }
        var totals = Schedule.Totals()
        let first = UInt64.random(in: 0...1 << 40)
        let count = (environment["HYPI_SCHEDULES"].flatMap(UInt64.init) ?? 1000) / 4
        for seed in first..<first + count {
            let schedule = Schedule(seed: seed)
            try check(schedule)
            totals.add(schedule.totals)
        }
        // A generator whose schedules get nowhere would prove nothing.
        #expect(
            totals.joins > count && totals.resumes > count / 10 && totals.slow > count / 10
                && totals.crashes > count / 10, "\(totals)")
    }

    private func check(_ schedule: Schedule) throws {
        let faults = schedule.run()
        try #require(faults.isEmpty, "HYPI_SEED=\(schedule.seed): \(faults.prefix(3).joined(separator: "; "))")
    }

    @Test("fifty viewers that arrive together cost pi one question") func together() {
        let stage = Stage(isCumulative: false, replayBytes: 1 << 20)
        stage.settle()
        let before = stage.pi.answeredMessagesQuestions
        let clients = (0..<50).map { FakeClient(name: $0, shape: .sessionDelta) }
        for client in clients { client.connect(stage.hub) }
        stage.settle()
        for client in clients { client.read(1 << 20) }
        #expect(!clients.contains { !$0.hasSnapshot })
        #expect(stage.pi.answeredMessagesQuestions == before + 1)
    }
}

/// A hub, a pi in memory, and time that passes when the test says so.
final class Stage: SessionHubDelegate {
    let loop = EmbeddedEventLoop()
    let pi: FakePi
    private(set) var activity = Node.Activity.starting
    private(set) var queued = 0
    /// Everything the delegate was told.
    private(set) var reports: [(status: SessionNews.Status, news: SessionNews)] = []
    private(set) var happenings: [SessionHappening] = []
    private var stage: SessionHub?

    var hub: SessionHub {
        guard let stage else { preconditionFailure("made in init") }
        return stage
    }

    /// What failed runs said.
    var failures: [String] {
        happenings.compactMap { if case .failed(let reason) = $0 { reason } else { nil } }
    }

    /// How many runs have settled.
    var settledCount: Int {
        happenings.count { if case .settled = $0 { true } else { false } }
    }

    init(
        isCumulative: Bool, replayBytes: Int, uiTimeout: TimeAmount? = nil, guards: GuardLimits = GuardLimits(),
        commands: [String] = []
    ) {
        pi = FakePi(isCumulative: isCumulative, commands: commands)
        let configuration = SessionConfiguration(
            id: "test", boot: "boot", cwd: "/", replayBytes: replayBytes, uiTimeout: uiTimeout, guards: guards)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        stage = SessionHub(configuration: configuration, eventLoop: loop, logger: logger, delegate: self)
        hub.started(pi)
    }

    /// Lets pi answer everything and say everything.
    func settle() {
        var random = SeededGenerator(seed: 1)
        while pi.hasUnread || pi.hasOutput || !pi.isIdle {
            pi.answerOne()
            pi.advance(&random)
            hub.received(pi.takeOutput(&random))
            loop.advanceTime(by: .milliseconds(10))
        }
    }

    /// pi is killed, perhaps in the middle of a record, and started again.
    func crash(_ random: inout SeededGenerator) {
        hub.received(pi.takeOutput(&random))
        hub.outputEnded()
        hub.piExited(PiExit(signal: 9, lastWords: ""), isRestarting: true)
        pi.crash()
        hub.started(pi)
    }

    func hub(status: SessionNews.Status, news: SessionNews) {
        activity = status.activity
        queued = status.queued
        reports.append((status, news))
    }

    func hub(viewerCount: Int) {}

    func hub(happened: SessionHappening) {
        happenings.append(happened)
    }

    func hub(stopRequested force: Bool) {}

    func runBlocking<Value: Sendable>(_ work: @escaping @Sendable () -> Value, then: @escaping (Value) -> Void) {
        then(work())
    }
}

/// One random session.
final class Schedule {
    struct Totals {
        var joins = 0
        var resumes = 0
        var slow = 0
        var crashes = 0
        var compressed = 0

        mutating func add(_ other: Totals) {
            joins += other.joins
            resumes += other.resumes
            slow += other.slow
            crashes += other.crashes
            compressed += other.compressed
        }
    }

    let seed: UInt64
    private(set) var totals = Totals()
    private var random: SeededGenerator
    private let stage: Stage
    private var clients: [FakeClient] = []
    /// Whether half of the clients take compressed messages.
    private let compresses: Bool

    init(seed: UInt64, compresses: Bool = false) {
        self.seed = seed
        self.compresses = compresses
        random = SeededGenerator(seed: seed)
        stage = Stage(
            isCumulative: random.chance(50),
            replayBytes: [1 << 10, 16 << 10, 16 << 20].randomElement(using: &random) ?? 0)
        // Conversations are short here; half of the time they are read like long ones.
        if random.chance(50) { stage.hub.intakeThreshold = 1 }
    }

    func run() -> [String] {
        for _ in 0..<Int.random(in: 50...400, using: &random) { step() }
        finish()
        return clients.flatMap { client in
            totals.resumes += client.resumeCount
            totals.slow += client.slowCount
            totals.compressed += client.compressedCount
            return client.faults.map { "client \(client.name) \(client.shape): \($0)" } + difference(client)
        }
    }

    private func step() {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: stage.pi.advance(&random)
        case 6: stage.pi.beginRun(&random)
        case 7..<10: stage.pi.answerOne()
        case 10..<13: stage.hub.received(stage.pi.takeOutput(&random))
        case 13: join()
        case 14: if random.chance(60) { someone?.disconnect() }
        case 15: comeBack()
        case 17: if random.chance(4) { crash() }
        case 16: stage.loop.advanceTime(by: .milliseconds(Int64.random(in: 1...120, using: &random)))
        default: someone?.read(Int.random(in: 1...(random.chance(30) ? 100_000 : 500), using: &random))
        }
    }

    private func crash() {
        stage.crash(&random)
        totals.crashes += 1
    }

    private var someone: FakeClient? {
        clients.randomElement(using: &random)
    }

    private func join() {
        guard clients.count < 8 else { return }
        let shapes: [Shape] = [.viewport, .sessionFull, .sessionDelta]
        let client = FakeClient(
            name: clients.count, shape: shapes.randomElement(using: &random) ?? .viewport,
            historyLimit: random.chance(20) ? 500 : nil, isCumulative: stage.pi.isCumulative,
            windowBits: compresses && random.chance(50) ? [9, 12, 15].randomElement(using: &random) : nil)
        clients.append(client)
        client.connect(stage.hub)
        totals.joins += 1
    }

    private func comeBack() {
        guard let client = someone, client.connection == nil else { return }
        client.connect(stage.hub)
    }

    /// Everyone is there and reads everything.
    private func finish() {
        stage.settle()
        stage.loop.advanceTime(by: .seconds(1))
        for _ in 0..<3 {
            for client in clients {
                if client.connection == nil { client.connect(stage.hub) }
                stage.settle()
                var isMore = true
                while isMore {
                    client.read(1 << 20)
                    isMore = client.connection.map { !$0.isDrained } ?? false
                }
            }
        }
    }

    private func difference(_ client: FakeClient) -> [String] {
        let expected = Array(stage.pi.messages.dropFirst(client.missing))
        guard client.hasSnapshot, client.messages == expected else {
            return [
                "client \(client.name) \(client.shape) has \(client.messages.count) of \(expected.count) messages, "
                    + "snapshot \(client.hasSnapshot)"
            ]
        }
        return []
    }
}
