import HypiWire
import NIOCore

/// Lets one HTTP head through to the parser and keeps what follows it.
///
/// No byte of a WebSocket frame ever reaches the parser this way, whatever the parser makes of the head, and nothing
/// that it makes of a second request can reach the WebSocket. A head may have ``Limits/requestHeadBytes``.
///
/// ```
/// bytes -> HeadValve -- head --> HTTP parser -> handshake
///              |  what follows: held for the WebSocket, passed on as a body, or dropped
/// ```
final class HeadValve: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// What becomes of the bytes behind the head.
    enum Rest {
        /// Kept until the valve is taken out, and then given to whoever is next.
        case held
        /// They are a body for the parser.
        case passed
        /// Nobody wants them.
        case dropped
    }

    /// Why a head is refused.
    enum Fault: Error {
        case headTooLong
    }

    private static let blankLine: UInt32 = 0x0D0A_0D0A

    /// What becomes of the bytes behind the head; decided while the head is being read.
    var rest = Rest.held
    /// Whether the whole head has been let through.
    private(set) var isHeadThrough = false
    private var headByteCount = 0
    /// The last four bytes of the head so far.
    private var lastBytes: UInt32 = 0
    private var held = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard !isHeadThrough else {
            held.gather(bytes)
            return settle(context)
        }
        let length = lengthOfHead(in: bytes)
        headByteCount += length ?? bytes.readableBytes
        guard headByteCount <= Limits.requestHeadBytes else {
            isHeadThrough = true
            rest = .dropped
            context.fireErrorCaught(Fault.headTooLong)
            return
        }
        guard let length, let head = bytes.readSlice(length: length) else {
            context.fireChannelRead(wrapInboundOut(bytes))
            return
        }
        isHeadThrough = true
        held = bytes
        context.fireChannelRead(wrapInboundOut(head))
        settle(context)
    }

    func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
        pass(context)
        context.leavePipeline(removalToken: removalToken)
    }

    private func settle(_ context: ChannelHandlerContext) {
        switch rest {
        case .held: break
        case .passed: pass(context)
        case .dropped: held = ByteBuffer()
        }
    }

    private func pass(_ context: ChannelHandlerContext) {
        guard held.readableBytes > 0 else { return }
        let bytes = held
        held = ByteBuffer()
        context.fireChannelRead(wrapInboundOut(bytes))
    }

    /// The number of bytes up to the end of the blank line; `nil` if it has not come yet.
    private func lengthOfHead(in bytes: ByteBuffer) -> Int? {
        for (offset, byte) in bytes.readableBytesView.enumerated() {
            lastBytes = lastBytes << 8 | UInt32(byte)
            if lastBytes == Self.blankLine { return offset + 1 }
        }
        return nil
    }
}
