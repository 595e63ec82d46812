import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded
import Testing

@testable import HypiNet

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

@Suite("Connections that cannot be accepted")
struct AcceptWatchTests {
    private final class Clock {
        var now = NIODeadline.uptimeNanoseconds(0)
    }

    @Test("are told with the system's reason, once a minute however often; a peer that left early is no news")
    func once() throws {
        let told = NIOLockedValueBox<[String]>([])
        let clock = Clock()
        let channel = EmbeddedChannel(
            handler: AcceptWatch(clock: { clock.now }, tell: { reason in told.withLockedValue { $0.append(reason) } }))
        func fail(_ code: CInt) {
            channel.pipeline.fireErrorCaught(IOError(errnoCode: code, reason: "accept"))
            #expect(throws: IOError.self) { try channel.throwIfErrorCaught() }
        }
        fail(ECONNABORTED)
        #expect(told.withLockedValue { $0 } == [])
        for _ in 0..<60 {
            fail(EMFILE)
            clock.now = clock.now + .seconds(1)
        }
        #expect(told.withLockedValue { $0 } == ["too many open files"])
        fail(ENFILE)
        #expect(told.withLockedValue { $0 } == ["too many open files", "too many open files in system"])
        _ = try? channel.finish()
    }
}
