import Testing

@testable import PiSocketCore

@Suite("Restarts of pi") struct CrashCountTests {
    @Test("three in ten minutes are allowed, and more once the first are longer ago") func window() {
        var crashes = CrashCount()
        let start = ContinuousClock.now
        let seconds = [0, 60, 120, 180, 600, 601, 602, 1800]
        let answers = seconds.map { crashes.mayRestart(at: start + .seconds($0)) }
        #expect(answers == [true, true, true, false, false, true, false, true])
    }
}
