import HypiWire
import NIOCore

/// Lets one HTTP head through to the parser and keeps the bytes after it until somebody has decided about the request.
///
/// No byte of a WebSocket frame ever reaches the parser this way, whatever the parser makes of the head, and nothing
/// that it makes of a second request can reach the WebSocket. Heads may have ``Limits/requestHeadBytes`` together, and
/// as much is kept before a decision; until then nothing more is read from the peer.
///
/// ```
/// bytes -> HeadValve -- head --> HTTP parser -> handshake
///              |  the rest: kept for the WebSocket, another head, a body, or dropped
/// ```
final class HeadValve: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What the next bytes are.
    enum Stage {
        /// A head: the first one, or one that follows an informational answer (RFC 9110 section 15.2).
        case head
        /// The head is with the parser, which has not handed it on yet.
        case parsing
        /// Not known yet; whoever got the head decides later.
        case undecided
        /// Frames: kept until the valve is removed, and then given to the next handler.
        case frames
        /// A body for the parser, of ``Limits/refusalBodyBytes`` at most.
        case body
        /// Nobody wants them.
        case dropped
    }

    /// Why a connection is refused.
    enum Fault: Error {
        /// The heads are longer than ``Limits/requestHeadBytes``.
        case headTooLong
        /// The parser made no head of what ended with a blank line.
        case noHead
        /// The peer sent more than ``Limits/requestHeadBytes`` without waiting for our answer.
        case tooEarly
        /// A body is longer than ``Limits/refusalBodyBytes``.
        case bodyTooLong
    }

    private static let blankLine: UInt32 = 0x0D0A_0D0A

    /// Whether the whole head has been let through.
    var isHeadThrough: Bool { stage != .head }
    private var stage = Stage.head
    /// Bytes of all heads so far, with the empty lines before them.
    private var headByteCount = 0
    private var bodyByteCount = 0
    /// Whether the current head has begun: empty lines before it do not count (RFC 9112 section 2.2).
    private var hasBegun = false
    /// The last four bytes of the head so far.
    private var lastBytes: UInt32 = 0
    private var held = ByteBuffer()
    /// Bytes are being handed on: a decision made meanwhile is carried out by that loop.
    private var isTaking = false
    /// Somebody asked for more bytes, and nothing was read.
    private var owesRead = false
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// Says what the bytes after the head are; whoever gets the head from the parser has to say it at once.
    func expect(_ next: Stage) {
        stage = next
        (hasBegun, lastBytes) = (false, 0)
        guard !isTaking, let context else { return }
        let bytes = held
        held = ByteBuffer()
        take(bytes, context)
        readAgain(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        take(unwrapInboundIn(data), context)
    }

    func read(context: ChannelHandlerContext) {
        if isReading { context.read() } else { owesRead = true }
    }

    func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
        let bytes = held
        held = ByteBuffer()
        if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        stage = .body
        // The WebSocket may have stopped reading at what it has just been given.
        if (try? context.channel.syncOptions?.getOption(.autoRead)) != false { readAgain(context) }
        context.leavePipeline(removalToken: removalToken)
    }

    private var isReading: Bool {
        switch stage {
        case .head, .body, .dropped: true
        case .parsing, .undecided, .frames: false
        }
    }

    private func readAgain(_ context: ChannelHandlerContext) {
        guard owesRead, isReading else { return }
        owesRead = false
        context.read()
    }

    private func take(_ input: ByteBuffer, _ context: ChannelHandlerContext) {
        isTaking = true
        defer { isTaking = false }
        var bytes = input
        while bytes.readableBytes > 0 {
            switch stage {
            case .head: takeHead(&bytes, context)
            case .parsing, .undecided: return keep(bytes, upTo: Limits.requestHeadBytes, context)
            case .frames: return keep(bytes, upTo: .max, context)
            case .body: return takeBody(bytes, context)
            case .dropped: return
            }
        }
    }

    private func takeHead(_ bytes: inout ByteBuffer, _ context: ChannelHandlerContext) {
        let count = bytes.readableBytes
        if !hasBegun {
            let empty = bytes.readableBytesView.prefix { $0 == 0x0D || $0 == 0x0A }.count
            bytes.moveReaderIndex(forwardBy: empty)
            hasBegun = bytes.readableBytes > 0
        }
        let length = lengthOfHead(in: bytes)
        headByteCount += count - bytes.readableBytes + (length ?? bytes.readableBytes)
        guard headByteCount <= Limits.requestHeadBytes else { return fail(.headTooLong, context) }
        guard let length, let head = bytes.readSlice(length: length) else {
            let part = bytes
            bytes.clear()
            if part.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(part)) }
            return
        }
        stage = .parsing
        context.fireChannelRead(wrapInboundOut(head))
        if stage == .parsing { fail(.noHead, context) }
    }

    private func takeBody(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        bodyByteCount += bytes.readableBytes
        guard bodyByteCount <= Limits.refusalBodyBytes else { return fail(.bodyTooLong, context) }
        context.fireChannelRead(wrapInboundOut(bytes))
    }

    private func keep(_ bytes: ByteBuffer, upTo limit: Int, _ context: ChannelHandlerContext) {
        guard held.readableBytes + bytes.readableBytes <= limit else { return fail(.tooEarly, context) }
        held.gather(bytes)
    }

    private func fail(_ fault: Fault, _ context: ChannelHandlerContext) {
        stage = .dropped
        held = ByteBuffer()
        context.fireErrorCaught(fault)
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
