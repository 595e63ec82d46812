#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

import NIOCore

/// Tells an operator that the system gives us no more connections, at most once a minute.
///
/// NIO waits a second and accepts again by itself; without a word of it a full server looks like a dead one.
final class AcceptWatch: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let silence = TimeAmount.minutes(1)

    private let tell: @Sendable (String) -> Void
    private let clock: () -> NIODeadline
    private var told: NIODeadline?

    /// A watch over a listening channel; `tell` is called on its loop, with the system's reason.
    init(clock: @escaping () -> NIODeadline = NIODeadline.now, tell: @escaping @Sendable (String) -> Void) {
        self.clock = clock
        self.tell = tell
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        defer { context.fireErrorCaught(error) }
        guard let fault = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(fault.errnoCode) else { return }
        let now = clock()
        if let told, now - told < Self.silence { return }
        told = now
        tell(TransportFault.reason(error))
    }
}
